"""Bad input, each with an error that says how to mend it."""

import keras
import numpy as np
import pytest
import scipy.sparse
from makers.networks import images, small_network

import isi_keras as isi


@pytest.fixture(scope="module")
def model():
    return small_network()


BAD_X = {
    "rank": (
        np.zeros((6, 5, 2)),
        ValueError,
        r"expects inputs of shape \('N', 6, 5, 2\).*pass x\[None\]",
    ),
    "shape": (np.zeros((3, 5, 6, 2)), ValueError, r"Received: x of shape \(3, 5, 6, 2\)"),
    "empty": (
        np.zeros((0, 6, 5, 2)),
        ValueError,
        r"at least one sample\. Received: x of shape \(0,",
    ),
    "scalar": (np.float32(1), ValueError, r"at least one sample"),
    "nan": (
        np.where(images() > 0.99, np.nan, images()),
        ValueError,
        r"x holds NaN or infinity in \d+ of 12",
    ),
    "infinity": (
        np.full((2, 6, 5, 2), np.inf),
        ValueError,
        r"NaN or infinity in 2 of 2 samples, the first at index 0",
    ),
    "text": (np.full((2, 6, 5, 2), "a"), TypeError, r"dtype <U1\. Look words up outside"),
    "object": ([object()], TypeError, r"Expected x to be an array of numbers\. Received: list"),
    "list of arrays": (
        [images(), images()],
        ValueError,
        r"has 1 input\(s\): .*Received: a list of 2\. For a list of samples pass numpy\.stack",
    ),
    "dictionary": ({"a": images()}, ValueError, r"Missing: '(keras_tensor|input).*Received: 'a'"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_x(model, case):
    x, kind, match = BAD_X[case]
    with pytest.raises(kind, match=match):
        isi.explain(model, x)
    with pytest.raises(kind, match=match):
        isi.Attack()(model, x)


def test_missing_channel_axis():
    grey = keras.Sequential([keras.Input((6, 5, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"Add the channel axis: x\[\.\.\., None\]"):
        isi.explain(grey, np.zeros((3, 6, 5)))


def test_values_outside_the_bounds(model):
    bytes_ = (images() * 100 + 128).astype("uint8")
    match = (
        r"x has values from \d+ to \d+ \(dtype uint8\) outside the bounds -1\.\.1\..*"
        r"bounds=\(0, 255\).*x / 127\.5 - 1"
    )
    with pytest.raises(ValueError, match=match):
        isi.Attack()(model, bytes_)
    with pytest.raises(ValueError, match=match.replace("uint8", "float32")):
        isi.Attack()(model, bytes_.astype("float32"))
    with pytest.raises(
        ValueError, match=r"from -1\.\d+ to 1\.\d+.*Rescale x, or give the attack bounds"
    ):
        isi.Attack()(model, 1.5 * images())
    isi.Attack(max_steps=1, bounds=(0, 255))(model, bytes_)  # fits


def test_unit_data_in_symmetric_bounds_are_warned_of(model):
    with pytest.warns(UserWarning, match=r"No value of x is below 0.*pass bounds=\(0, 1\)"):
        isi.Attack(max_steps=1)(model, np.abs(images()))


@pytest.mark.parametrize(
    ("bounds", "match"),
    [
        (3, r"bounds to be a pair \(low, high\)"),
        ((1, 2, 3), r"bounds to be a pair"),
        ((1, -1), r"low <= high everywhere\. Received: \(1, -1\)"),
        ((0, 0), r"low < high somewhere: no input could change"),
        ((0, np.nan), r"NaN among them"),
        (("a", 1), r"bounds to be a pair"),
        (([0, 1, 2], [1, 1, 1]), r"low=2 and high=1 in column 2"),
    ],
)
def test_bad_bounds(bounds, match):
    with pytest.raises(ValueError, match=match):
        isi.Attack(bounds=bounds)


def test_bounds_of_another_shape(model):
    with pytest.raises(
        ValueError, match=r"upper bound has shape \(7,\), which does not broadcast to.*\(6, 5, 2\)"
    ):
        isi.Attack(bounds=(-1, np.ones(7)))(model, images())


@pytest.mark.parametrize("name", ["target", "y"])
@pytest.mark.parametrize(
    ("value", "kind", "match"),
    [
        (3, ValueError, r"from 0 to 2, as the model has 3 classes\. Received: {}=3"),
        (-1, ValueError, r"Received: {}=-1"),
        (
            np.zeros(5, int),
            ValueError,
            r"one class index a sample, shape \(12,\)\. Received: shape \(5,\)",
        ),
        (np.eye(3)[np.arange(12) % 3], ValueError, r"one-hot rows, pass {}\.argmax\(-1\)"),
        (
            np.full(12, 0.5),
            TypeError,
            r"Expected {} to be class indices, integers\. Received: dtype float64",
        ),
        (["cat"] * 12, TypeError, r"class indices, integers"),
    ],
)
def test_bad_classes(model, name, value, kind, match):
    with pytest.raises(kind, match=match.format(name)):
        isi.Attack()(model, images(), **{name: value})


def test_target_equal_to_every_prediction(model):
    x = images(40)
    x = x[isi.explain(model, x).prediction == 1]
    assert len(x) > 1
    with pytest.warns(
        UserWarning,
        match=r"Every sample is already predicted as its target \(\[1\]\).*true labels go into `y`",
    ):
        isi.Attack()(model, x, target=1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {"indicator": "relevanse"},
            r"Unknown indicator: 'relevanse'\. Did you mean 'relevance'\?",
        ),
        ({"norm": "l00"}, r"Unknown norm: 'l00'\. Did you mean 'l0'\?"),
        ({"norm": "max"}, r"Unknown norm: 'max'\..*Choose one of 'l0', 'l2', 'linf'"),
        ({"objective": "logits"}, r"Unknown objective: 'logits'\. Did you mean 'logit'\?"),
        ({"max_steps": 0}, r"max_steps to be an integer, at least 1\. Received: max_steps=0"),
    ],
)
def test_bad_options(options, match):
    with pytest.raises(ValueError, match=match):
        isi.Attack(**options)
    if "indicator" in options:
        with pytest.raises(ValueError, match=match):
            isi.explain(small_network(), images(), **options)


def test_wrong_kinds(model):
    with pytest.raises(
        TypeError, match=r"Expected norm to be one of.*Received: norm=2 of type int"
    ):
        isi.Attack(norm=2)
    with pytest.raises(TypeError, match=r"Expected a Keras model.*type builtins\.str"):
        isi.Attack()("lenet", images())
    for size, kind in ((0, ValueError), (2.0, TypeError), (True, TypeError)):
        with pytest.raises(kind, match="batch_size"):
            isi.Attack()(model, images(), batch_size=size)


def test_a_subclassed_model_whose_shape_is_not_known():
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(3)

        def call(self, x):
            return self.dense(self.flatten(x))

    model, x = Plain(), images()
    model(x)
    assert isi.Attack(max_steps=2)(model, x).adversarial.shape == x.shape


def test_tensors_and_lists_are_taken(model):
    x = images(3)
    wanted = isi.explain(model, x).relevance
    np.testing.assert_array_equal(
        isi.explain(model, keras.ops.convert_to_tensor(x)).relevance, wanted
    )
    np.testing.assert_array_equal(isi.explain(model, x.tolist()).relevance, wanted)


class TestTypes:
    """What is no plain array of float32 is taken, or refused with what to do."""

    def test_tensors_outside_the_bounds(self, model):
        wide = keras.ops.convert_to_tensor(1.5 * images())
        with pytest.raises(ValueError, match=r"\(dtype float32\) outside the bounds -1\.\.1"):
            isi.Attack()(model, wide)
        half = keras.ops.cast(keras.ops.convert_to_tensor(images()), "bfloat16")
        assert isi.Attack(max_steps=1)(model, half).x.dtype == np.float32

    def test_columns_of_several_types(self):
        pandas = pytest.importorskip("pandas")
        table = pandas.DataFrame({"a": [0.5, 1.0], "b": [True, False], "c": [1, 2]})
        table["d"] = pandas.array([1, 2], dtype="Int64")
        flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        result = isi.Attack(max_steps=1, bounds=(0, 2))(flat, table)
        np.testing.assert_array_equal(result.x, [[0.5, 1, 1, 1], [1, 0, 2, 2]])
        domain = isi.Domain.from_data(table)
        assert domain.names == tuple("abcd")
        assert domain.integer.tolist() == [False, True, True, True]
        table["c"] = pandas.array([1, None], dtype="Int64")
        with pytest.raises(ValueError, match=r"lacks values in the column 'c'\. Fill or drop"):
            isi.Attack()(flat, table)
        table["c"] = ["red", "blue"]
        with pytest.raises(TypeError, match=r"The column 'c' is of the type .*get_dummies"):
            isi.Attack()(flat, table)

    def test_what_float32_does_not_hold(self):
        flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        with pytest.raises(TypeError, match=r"a sparse matrix, csr_.*Pass x\.toarray\(\)"):
            isi.Attack()(flat, scipy.sparse.csr_matrix(np.eye(4)))
        with pytest.raises(ValueError, match=r"integers up to 2e\+07\. Above 16777216 float32"):
            isi.Attack(bounds=(0, 1e9))(flat, np.full((2, 4), 20_000_000))

    def test_sizes_may_be_scalars_of_numpy(self):
        norm = isi.L2(np.int64(3), np.float32(0.25))
        assert (norm, type(norm.step_size)) == (isi.L2(3, 0.25), float)

    def test_the_centre_of_the_bounds(self):
        """There relevance is 0, whatever the influence: the derivative leads the way out."""
        flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        flat.set_weights([np.array([[1, 0], [3, 0], [-2, 0], [0, 0]]), np.array([0.5, 0])])
        result = isi.Attack("relevance", "l0", bounds=(-2, 2))(flat, np.zeros((2, 4)))
        assert result.success.all()
        np.testing.assert_array_equal(result.adversarial, [[0, -2, 0, 0]] * 2)
        blind = isi.Attack("epsilon_plus_flat", "l0", bounds=(-2, 2))(flat, np.zeros((2, 4)))
        assert blind.stop_reason.tolist() == ["no_gradient"] * 2
