"""A graph that computes other than its model is an error, whenever and wherever that shows."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import isi_keras as isi
from isi_keras.models import agreement, compiling
from isi_keras.runs.errors import ShardsFailedError

OTHER = "computes other than it does when it is called"


class Unlike(layers.Layer):
    """Hands its input on while it is traced; called, it drops what is greater than a limit."""

    def __init__(self, limit: float, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            return x
        return ops.where(ops.abs(x) > self.limit, 0.0, x)


def network(limit: float, features: int = 6) -> keras.Model:
    """A network that is not what it seems where an input is beyond a limit."""
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [keras.Input((features,)), Unlike(limit), layers.Dense(8, "tanh"), layers.Dense(3)]
    )


def within(limit: float, rows: int, features: int = 6) -> np.ndarray:
    """Samples within a limit."""
    return np.random.default_rng(3).uniform(-limit, limit, (rows, features)).astype("float32")


class TestLater:
    """A layer may do with some values what it does not do with those it was traced for."""

    @pytest.mark.parametrize(
        "attack",
        [
            isi.Attack("sensitivity", "l0", max_steps=6),
            isi.JSMA(bounds=(-1, 1), gamma=1.0),
            isi.MinimalL0(budget=40),
        ],
        ids=lambda attack: type(attack).__name__,
    )
    def test_what_an_attack_made(self, attack):
        model, x = network(0.95), within(0.9, 12)
        isi.explain(model, x)
        with pytest.raises(ValueError, match=OTHER):
            attack(model, x)

    def test_other_samples(self):
        model, x = network(1.0), within(0.9, 40)
        isi.explain(model, x)
        far = np.concatenate([x[:20], 3 * x[20:]])
        for call in (
            lambda: isi.explain(model, far),
            lambda: isi.logits(model).predict(far),
            lambda: isi.Attack("sensitivity", bounds=(-3, 3), max_steps=1)(model, far),
        ):
            with pytest.raises(ValueError, match=OTHER):
                call()

    def test_a_batch_of_a_source(self):
        model, x = network(1.0), within(0.9, 40)
        x[-3:] *= 3
        batches = (x[begin : begin + 8] for begin in range(0, 40, 8))
        with pytest.raises(ValueError, match=OTHER):
            isi.explain(model, batches, batch_size=8)

    def test_a_shard_of_a_run(self, tmp_path):
        model, x = network(1.0), within(0.9, 40)
        x[-3:] *= 3
        method = isi.indicators.get("epsilon_plus")
        with pytest.raises(ShardsFailedError, match=f"4 of 5 shards are kept.*{OTHER}"):
            isi.run(method, model, x, out=tmp_path / "maps", shard_size=8)

    def test_flipped_pixels(self):
        model, x = network(1.0), within(0.9, 8)
        maps = isi.explain(model, x)
        isi.pixel_flipping(model, maps, steps=2)
        with pytest.raises(ValueError, match=OTHER):
            isi.pixel_flipping(model, maps, steps=2, baseline=2.0)

    def test_many_calls_of_few_samples(self):
        model, x = network(1.0), within(0.9, 2)
        for _ in range(30):
            isi.explain(model, x)

        def sixteen():
            for _ in range(16):
                isi.explain(model, 3 * x)

        with pytest.raises(ValueError, match=OTHER):
            sixteen()

    @pytest.mark.parametrize("before", [16, 17])
    def test_what_an_attack_made_is_compared_in_every_call(self, before):
        model, x = network(0.95), within(0.9, 4)
        for _ in range(before):
            isi.explain(model, x)
        for _ in range(4):
            with pytest.raises(ValueError, match=OTHER):
                isi.Attack("sensitivity", max_steps=4)(model, x)

    def test_logits_of_a_batch(self):
        model, x = network(1.0), within(0.9, 8)
        isi.logits(model)(x)
        x[5] *= 3
        for given in (x, ops.convert_to_tensor(x)):
            with pytest.raises(ValueError, match=OTHER):
                isi.logits(model)(given)

    @pytest.mark.parametrize(("final", "last"), [("softmax", -4), ("sigmoid", -4), ("sigmoid", 8)])
    def test_logits_of_what_hardly_moves_a_probability(self, final, last):
        """A thousandth of the greatest probability would hide them, and they can be explained."""

        class Less(layers.Layer):
            def call(self, x):
                traced = isinstance(x, keras.KerasTensor)
                return x if traced else x - ops.array([0.0, 0.0, 1.0])

        made = [keras.Input((6,)), layers.Dense(3), Less(), layers.Activation(final)]
        model = keras.Sequential(made)
        model.layers[0].set_weights([np.eye(6, 3), np.array([4.0, 0.0, last])])
        with pytest.raises(ValueError, match=OTHER):
            isi.explain(model, within(0.1, 5))

    def test_a_model_of_several_inputs(self):
        a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
        joined = layers.Concatenate()([Unlike(0.95)(a), b])
        model = keras.Model([a, b], layers.Dense(3)(joined))
        x = [within(0.9, 5, 3), within(0.9, 5, 2)]
        isi.Attack("sensitivity", max_steps=5)(isi.logits(model, moving="b"), x)
        with pytest.raises(ValueError, match=OTHER):
            isi.Attack("sensitivity", max_steps=5)(isi.logits(model, moving="a"), x)

    def test_says_what_differs(self):
        model, x = network(1.0), within(0.9, 5)
        x[3] = 0.5
        x[3, 2] = 2.0
        model.layers[-1].set_weights([np.eye(8, 3), np.zeros(3)])
        with pytest.raises(ValueError, match=r"the output 0, .*, became .* for sample 3\."):
            isi.explain(model, x)


def test_each_sample_is_measured_by_its_own_outputs():
    class Near(layers.Layer):
        def call(self, x):
            return x if isinstance(x, keras.KerasTensor) else ops.where(ops.abs(x) < 1, 2 * x, x)

    model = keras.Sequential([keras.Input((3,)), Near(), layers.Dense(3, use_bias=False)])
    model.set_weights([np.eye(3)])
    x = np.array([[1e4, 0, 0], [0.5, 0, 0.1], [5, 2, 2]], "float32")
    with pytest.raises(ValueError, match=OTHER):
        isi.explain(model, x)
    assert isi.explain(model, x[[0, 2]]).logits.tolist() == x[[0, 2]].tolist()


@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
def test_half_precision_that_gives_no_number(policy):
    """Explained in single precision, such a sample would get a map of what the model never says."""

    class Masked(layers.Layer):
        def call(self, x):
            mask = ops.cast(ops.expand_dims(x[:, :, 0] > 0, 1), x.dtype)
            scores = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
            shares = ops.softmax(scores + (1 - mask) * -6e4 * 2.0)
            return ops.matmul(shares, x)

    made = [Masked(dtype=policy), layers.Flatten(dtype=policy), layers.Dense(3, dtype=policy)]
    model = keras.Sequential([keras.Input((4, 2)), *made])
    x = within(1.0, 6, 8).reshape(6, 4, 2)
    x[:, 0, 0] = 0.5
    isi.explain(model, x[:5])
    x[5, :, 0] = -0.5
    assert not np.isfinite(ops.convert_to_numpy(ops.cast(model(x[5:]), "float32"))).any()
    for call in (
        lambda: isi.explain(model, x),
        lambda: isi.Attack(max_steps=1)(model, x),
    ):
        with pytest.raises(ValueError, match=r"infinity for sample 5, .*policy 'float32'"):
            call()


def test_values_in_a_scope_are_compared_as_they_are_there():
    model, x = network(9.0), within(0.9, 5)
    isi.explain(model, x)
    values = [(variable, variable.value * 2) for variable in model.variables]
    with keras.StatelessScope(values):
        found = isi.logits(model).predict(x)
        wanted = ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_trace_is_kept_while_samples_are_compared():
    model, x = network(9.0), within(0.9, 5)
    isi.explain(model, x)
    kept = {key: id(made) for key, (_, made) in compiling._KEPT[model].items()}
    isi.explain(model, x[:3])
    assert {key: id(made) for key, (_, made) in compiling._KEPT[model].items()} == kept


def test_training_between_a_call_and_its_comparison_is_no_difference(monkeypatch):
    """As another thread may do it: the model is called before, the graph is run after."""
    model, x = network(9.0), within(0.9, 5)
    isi.explain(model, x)
    called, runs = agreement.run, []

    def trained(model, sample):
        found = called(model, sample)
        if not runs:
            model.set_weights([2 * value for value in model.get_weights()])
        runs.append(1)
        return found

    monkeypatch.setattr(agreement, "run", trained)
    found = isi.explain(model, x)
    assert len(runs) == 2
    np.testing.assert_allclose(found.logits, ops.convert_to_numpy(model(x)), rtol=1e-5, atol=1e-6)


class Whole(layers.Layer):
    """A function of a whole batch."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


OVER_SAMPLES = {
    "a softmax": lambda x: ops.softmax(x, axis=0),
    "a mean": lambda x: x - ops.mean(x, axis=0),
    "the greatest": lambda x: x / ops.max(x),
    "all of them": lambda x: (x - ops.mean(x)) / ops.std(x),
    "attention": lambda x: ops.matmul(ops.softmax(ops.matmul(x, ops.transpose(x))), x),
}


ORDERED = {
    "standardised": lambda x: (x - ops.mean(x, axis=0)) / (ops.std(x, axis=0) + 1e-6),
    "between": lambda x: (x - ops.min(x, 0)) / (ops.max(x, 0) - ops.min(x, 0) + 1e-6),
    "ranks": lambda x: x * ops.cast(ops.argsort(ops.argsort(x, 0), 0), "float32"),
    "the first": lambda x: x * ops.cast(x >= ops.max(x, axis=0), "float32"),
}


class InTraining(layers.Layer):
    def build(self, shape):
        self.norm = layers.BatchNormalization()
        self.norm.build(shape)

    def call(self, x):
        return self.norm(x, training=True)


COUNTING = {
    "shared": lambda x: x / ops.cast(ops.shape(x)[0], "float32"),
    "shifted": lambda x: x + ops.cast(ops.shape(x)[0], "float32"),
    "power": lambda x: ops.power(x, ops.cast(ops.shape(x)[0], "float32")),
}


class TestApart:
    """What is computed across the samples of a batch is no function of a sample."""

    @staticmethod
    def model(layer, rows=None):
        keras.utils.set_random_seed(0)
        inputs = keras.Input(batch_shape=(rows, 6))
        hidden = layers.Dense(5, "softplus", use_bias=False)(inputs)
        return keras.Model(inputs, layers.Dense(3)(layer(hidden)))

    @pytest.mark.parametrize("rows", [None, 4])
    @pytest.mark.parametrize("name", OVER_SAMPLES)
    def test_what_looks_at_others(self, name, rows):
        model, x = self.model(Whole(OVER_SAMPLES[name]), rows), within(1.0, 5)
        for samples in (x, x[:1]):
            with pytest.raises(ValueError, match=r"depends on the samples beside it.*over axis 0"):
                isi.explain(model, samples)
        with pytest.raises(ValueError, match="depends on the samples beside it"):
            isi.Attack("sensitivity", bounds=(-3, 3))(model, x)

    def test_batch_statistics(self):
        with pytest.raises(ValueError, match=r"depends on.*with training=True does it too"):
            isi.explain(self.model(InTraining()), within(1.0, 5))

    @pytest.mark.parametrize("samples", [slice(0, 1), slice(0, 2), slice(0, 6)])
    @pytest.mark.parametrize("name", ORDERED)
    def test_what_looks_at_the_order(self, name, samples):
        """Samples that are greater than the next in all features, as half of one is."""
        x = np.outer([9, 5, 4, 3, 2, 1], np.arange(2, 8)).astype("float32")
        model = keras.Sequential([keras.Input((6,)), Whole(ORDERED[name]), layers.Dense(3)])
        with pytest.raises(ValueError, match="depends on the samples beside it"):
            isi.explain(model, x[samples])

    @pytest.mark.parametrize("name", COUNTING)
    def test_what_counts_samples(self, name):
        model = self.model(Whole(COUNTING[name]))
        with pytest.raises(ValueError, match="how many samples there are"):
            isi.explain(model, within(1.0, 5))
        rows = Whole(lambda x: ops.broadcast_to(ops.sum(x, 1)[:, None], (ops.shape(x)[0], 4)))
        isi.explain(self.model(rows), within(1.0, 5))

    def test_nothing_but_zeros(self):
        model = self.model(Whole(lambda x: x - ops.mean(x, axis=0)))
        with pytest.raises(ValueError, match="depends on the samples beside it"):
            isi.explain(model, np.zeros((3, 6), "float32"))

    @pytest.mark.parametrize("dtype", ["int32", "float32"])
    def test_what_shows_in_later_samples(self, dtype):
        """The sentences that were planned with are of one length; none has others put beside."""
        words = keras.Input((6,), dtype=dtype)
        kept = ops.cast(ops.not_equal(words, 0), "float32")[..., None]
        hidden = ops.sum(layers.Embedding(9, 5)(words) * kept, axis=1) / ops.max(ops.sum(kept, 1))
        model = keras.Model(words, layers.Dense(3)(hidden))
        isi.explain(model, np.ones((4, 6), dtype))
        others = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 0, 0, 0, 0], [6, 8, 0, 0, 0, 0]], dtype)
        with pytest.raises(ValueError, match="depends on the samples beside it"):
            isi.explain(model, others)

    def test_of_each_its_own(self):
        """Also where a layer has to know how many there are."""
        per_sample = Whole(lambda x: x / ops.max(x, axis=-1, keepdims=True))
        counted = Whole(lambda x: ops.reshape(ops.relu(x), (x.shape[0] or 1, 5)))
        for layer, rows in ((per_sample, None), (per_sample, 4), (counted, None)):
            model, x = self.model(layer, rows), within(1.0, 5)
            wanted = np.concatenate([ops.convert_to_numpy(model(x[:4])), model.predict(x[1:])[3:]])
            np.testing.assert_allclose(isi.explain(model, x).logits, wanted, atol=1e-5)

    def test_of_words(self):
        inputs = keras.Input((6,), dtype="int32")
        hidden = layers.GlobalAveragePooling1D()(layers.Embedding(9, 5)(inputs))
        x = np.arange(30).reshape(5, 6) % 9
        isi.explain(keras.Model(inputs, layers.Dense(3)(hidden)), x)
        centred = Whole(lambda x: x - ops.mean(x, axis=0))(hidden)
        with pytest.raises(ValueError, match="depends on the samples beside it"):
            isi.explain(keras.Model(inputs, layers.Dense(3)(centred)), x)
