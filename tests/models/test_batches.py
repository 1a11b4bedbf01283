"""Many samples in batches of one size."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import isi_keras as isi
from isi_keras.models.batches import in_batches, taken


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_rows_come_back_in_order_whatever_the_size(size):
    x, y = np.arange(14.0, dtype="float32").reshape(7, 2), np.arange(7, dtype="int32")
    seen = []

    def run(chosen):
        seen.append(len(chosen))
        a, b = taken(chosen, {"x": x}, y)
        return {"twice": 2 * a["x"], "nothing": {}}, [b]

    (first, (second,)) = in_batches(run, 7, size)
    np.testing.assert_array_equal(first["twice"], 2 * x)
    np.testing.assert_array_equal(second, y)
    assert first["nothing"] == {}
    assert second.dtype == y.dtype
    assert set(seen) == {size}
    assert len(seen) == -(-7 // size)


def test_the_last_batch_repeats_its_own_rows():
    seen = []
    in_batches(lambda chosen: seen.append(chosen.tolist()) or chosen, 5, 3)
    assert seen == [[0, 1, 2], [3, 4, 3]]


def test_a_bar_counts_rows(capsys):
    in_batches(lambda chosen: chosen, 5, 2, verbose=1, unit_name="map")
    assert "5/5" in capsys.readouterr().out


@pytest.mark.parametrize(("size", "kind"), [(0, ValueError), (2.0, TypeError), (True, TypeError)])
def test_bad_sizes(size, kind):
    with pytest.raises(kind, match=r"batch_size to be an integer, at least 1\. Received: batch_si"):
        in_batches(lambda chosen: chosen, 5, size)


def test_tensors_keep_their_types():
    for dtype in ("float32", "int32", "bool"):
        (found,) = taken(np.array([1, 0]), np.zeros(3, dtype))
        assert keras.backend.standardize_dtype(found.dtype) == dtype


OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")


@pytest.mark.skipif(
    not OVERCOMMIT.exists() or OVERCOMMIT.read_text().strip() == "1",
    reason="memory that is not there is only refused where the system counts it",
)
@pytest.mark.skipif(
    keras.config.backend() == "tensorflow", reason="its graphs end the process without memory"
)
@pytest.mark.parametrize("what", ["explain", "attack"])
def test_refused_memory_says_which_batch_to_try(what):
    """Activations of 400 GB; the model is as it was afterwards."""
    x = keras.Input((8,))
    h = layers.Reshape((1000, 1000))(layers.Dense(1_000_000, "relu")(x))
    model = keras.Model(x, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(h)))
    weights = [weight.copy() for weight in model.get_weights()]
    data = np.zeros((100_000, 8), "float32")
    method = {"explain": isi.explain, "attack": isi.Attack("sensitivity", bounds=(0, 1))}[what]
    with pytest.raises(
        MemoryError, match=r"no memory for 100000 samples at once\. Pass batch_size=25000\. The ba"
    ):
        method(model, data, batch_size=100_000)
    assert len(isi.explain(model, data[:2], indicator="sensitivity")) == 2
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
