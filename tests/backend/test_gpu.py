"""What is so only with a GPU, where these tests have to be run by hand; and what is said of it."""

import keras
import numpy as np
import pytest
from keras import ops

import isi_keras as isi
from isi_keras import backend


def has_gpu():
    name = keras.config.backend()
    if name == "torch":
        import torch

        return torch.cuda.is_available()
    if name == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import tensorflow

    return bool(tensorflow.config.get_visible_devices("GPU"))


on_gpu = pytest.mark.skipif(not has_gpu(), reason="there is no GPU")


class Positioned(keras.layers.Layer):
    """Adds a row of a table for each position, whose numbers are a constant of the layer."""

    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], name="table")
        self.ids = ops.arange(shape[1])

    def call(self, x):
        return x + ops.take(self.table, self.ids, axis=0)


def small(*layers):
    model = keras.Sequential([keras.Input((6, 4)), *layers, keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    for variable in model.weights:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    return model


def test_constants_of_layers():
    """Keras reads the numbers by NumPy as it traces, which cannot read a GPU on Torch."""
    x = np.random.default_rng(1).normal(size=(3, 6, 4)).astype("float32")
    model = small(Positioned())
    found = isi.explain(model, x, indicator="epsilon", conservation=True)
    total = found.conservation
    assert "elsewhere" not in total or np.abs(total["elsewhere"]).max() < 1e-4
    kernel = np.array(ops.convert_to_numpy(model.layers[-1].kernel)).reshape(6, 4, 3)
    logits = ops.convert_to_numpy(model(x))
    expected = x * kernel[..., logits.argmax(-1)].transpose(2, 0, 1)
    np.testing.assert_allclose(found.relevance, expected, atol=1e-4)


def test_convolutions_with_fewer_bits_are_said(monkeypatch):
    monkeypatch.setattr(backend, "coarse", lambda: ("Conv", "setting = exact"))
    x = np.ones((2, 6, 4), "float32")
    with pytest.warns(UserWarning, match="TF32.*For these: setting = exact"):
        isi.explain(small(keras.layers.Conv1D(2, 3)), x)
    isi.explain(small(keras.layers.LSTM(2, return_sequences=True)), x)  # warnings are errors


@on_gpu
def test_training_takes_what_a_loader_gives():
    """On Torch that is on the CPU."""
    model = small(keras.layers.Conv1D(2, 3, activation="relu"))
    attack = isi.Attack("sensitivity", "linf", max_steps=2, bounds=(-3, 3))
    trained = isi.training.AdversarialTraining(model, attack=attack)
    trained.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).uniform(-3, 3, (8, 6, 4)).astype("float32")
    data = [(x[:4], np.zeros(4, "int32")), (x[4:], np.ones(4, "int32"))]
    if keras.config.backend() == "torch":
        import torch

        pairs = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor([0] * 4 + [1] * 4))
        data = torch.utils.data.DataLoader(pairs, batch_size=4)
        trained.fit(data, verbose=0)
        return
    for batch in data:
        trained.train_on_batch(*batch)
