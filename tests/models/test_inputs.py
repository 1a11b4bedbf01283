"""Bad input, each with an error that says how to mend it."""

import keras
import numpy as np
import pytest
import scipy.sparse
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras.training import AdversarialTraining


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


class Nested(keras.Model):
    """It declares no inputs."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner([x["p"]["a"], x["b"]])


class TestNested:
    """Inputs within dictionaries and lists of others, by names that say where they lie."""

    x = np.random.default_rng(4).normal(size=(6, 3)).astype("float32")

    @pytest.fixture
    def models(self):
        """A model of a list, and the same of nested inputs: the model, its inputs and names."""
        a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
        hidden = keras.layers.Dense(7, "relu")(keras.layers.Concatenate()([a, b]))
        outputs = keras.layers.Dense(2)(hidden)
        flat, x = keras.Model([a, b], outputs), self.x
        within = Nested(flat)
        within({"p": {"a": x}, "b": -x})
        return flat, {
            "dictionaries": (
                keras.Model({"p": {"a": a}, "b": b}, outputs),
                {"p": {"a": x}, "b": -x},
                ("p.a", "b"),
            ),
            "a list in one": (
                keras.Model({"p": [a], "b": b}, outputs),
                {"p": [x], "b": -x},
                ("p.0", "b"),
            ),
            "lists": (keras.Model([a, [b]], outputs), [x, [-x]], ("0", "1.0")),
            "a dictionary in one": (
                keras.Model([a, {"b": b}], outputs),
                [x, {"b": -x}],
                ("0", "1.b"),
            ),
            "subclassed": (within, {"p": {"a": x}, "b": -x}, ("p.a", "b")),
            "a pair of them": (
                keras.Model(({"a": a}, {"b": b}), outputs),
                ({"a": x}, {"b": -x}),
                ("0.a", "1.b"),
            ),
        }

    @pytest.mark.parametrize(
        "kind",
        [
            "dictionaries",
            "a list in one",
            "lists",
            "a dictionary in one",
            "a pair of them",
            "subclassed",
        ],
    )
    def test_as_of_a_model_of_a_list(self, models, kind, tmp_path):
        flat, (model, x, names) = models[0], models[1][kind]
        right = isi.explain(flat, [self.x, -self.x], indicator="zplus", target=1)
        found = isi.explain(model, x, indicator="zplus", target=1)
        assert tuple(found.relevance) == names
        for name, wanted in zip(names, right.relevance.values(), strict=True):
            np.testing.assert_allclose(found.relevance[name], wanted, atol=1e-6)
        found.save(tmp_path / "found.npz")
        again = isi.Explanation.load(tmp_path / "found.npz")
        np.testing.assert_array_equal(again.relevance[names[0]], found.relevance[names[0]])
        by_name = dict(zip(names, (self.x, -self.x), strict=True))
        given = by_name if isinstance(x, dict) else [self.x, -self.x]
        same = isi.explain(model, given, indicator="zplus", target=1)
        np.testing.assert_array_equal(same.relevance[names[1]], found.relevance[names[1]])
        attack = isi.MinimalL0(bounds=(-9, 9))
        (moved, *_) = right.relevance
        wanted = attack(isi.logits(flat, moving=moved), [self.x, -self.x])
        result = attack(isi.logits(model, moving=names[0]), x)
        np.testing.assert_array_equal(result.adversarial, wanted.adversarial)

    def test_a_subclassed_one_that_another_model_calls(self, models):
        """It has an `input` then, which is a flat list."""
        model, x, names = models[1]["subclassed"]
        right = isi.explain(model, x, indicator="zplus")
        model({"p": {"a": keras.Input((3,))}, "b": keras.Input((3,))})
        found = isi.explain(model, x, indicator="zplus")
        for name in names:
            np.testing.assert_array_equal(found.relevance[name], right.relevance[name])

    def test_runs_take_them_and_training_says_how(self, models, tmp_path):
        model, x, names = models[1]["dictionaries"]
        attack = isi.MinimalL0(bounds=(-9, 9))
        moved = isi.logits(model, moving=names[0])
        run = isi.run(attack, moved, x, out=tmp_path / "run", shard_size=3, batch_size=3, verbose=0)
        at_once = attack(moved, x, batch_size=3)
        np.testing.assert_array_equal(run.result().adversarial, at_once.adversarial)
        with pytest.raises(ValueError, match=r"in dictionaries or lists of others.*Wrap it"):
            AdversarialTraining(model, isi.Attack(max_steps=1), moving=names[0])

    @pytest.mark.filterwarnings("ignore:Nested has no configuration")
    def test_a_subclassed_model_in_a_run(self, models, tmp_path):
        """Its structure is known of what it was built for."""
        model, x, names = models[1]["subclassed"]
        attack, moved = isi.MinimalL0(bounds=(-9, 9)), isi.logits(model, moving=names[0])
        run = isi.run(attack, moved, x, out=tmp_path / "run", shard_size=3, batch_size=3, verbose=0)
        at_once = attack(moved, x, batch_size=3)
        np.testing.assert_array_equal(run.result().adversarial, at_once.adversarial)

    def test_what_is_not_as_it_was_declared(self, models):
        model, x, _ = models[1]["dictionaries"]
        rows = x["b"]
        for wrong in ({"p": rows}, {"p": {"a": rows, "z": rows}, "b": rows}, {"p": {"a": rows}}):
            with pytest.raises(ValueError, match=r"'p\.a', 'b'"):
                isi.explain(model, wrong)
        a, b = keras.Input((3,), name="p.a"), keras.Input((3,), name="a")
        same = keras.Model({"p.a": a, "p": {"a": b}}, keras.layers.Dense(2)(a + b))
        with pytest.raises(ValueError, match=r"Two inputs have the name 'p\.a'"):
            isi.explain(same, {"p.a": rows, "p": {"a": rows}})

    def test_a_model_that_takes_both_forms(self):
        class Either(Nested):
            def call(self, x):
                return super().call(x if "p" in x else {"p": x, "b": x["b"]})

        a, b = keras.Input((3,)), keras.Input((3,))
        flat = keras.Model([a, b], keras.layers.Dense(2)(keras.layers.Concatenate()([a, b])))
        model = Either(flat)
        x = {"p": {"a": self.x}, "b": -self.x}
        model(x)
        right = [*isi.explain(flat, [self.x, -self.x], indicator="z").relevance.values()]
        for given, name in ((x, "p.a"), ({"b": -self.x, "a": self.x}, "a"), (x, "p.a")):
            found = isi.explain(model, given, indicator="z").relevance
            np.testing.assert_allclose(found[name], right[0], atol=1e-6)
            np.testing.assert_allclose(found["b"], right[1], atol=1e-6)

    def test_rows_may_be_a_list(self, models):
        _, (model, x, names), *_ = models[1].values()
        listed = {"p": [list(self.x)], "b": (-self.x).tolist()}
        found, right = (isi.explain(model, given, indicator="z") for given in (listed, x))
        np.testing.assert_array_equal(found.relevance[names[0]], right.relevance[names[0]])


@pytest.mark.once(on="jax")
def test_a_dictionary_keeps_its_order(tmp_path):
    """JAX returns dictionaries sorted by their keys."""
    z, b = keras.Input((3,), name="z"), keras.Input((3,), name="b")
    model = keras.Model({"z": z, "b": b}, keras.layers.Dense(2)(z + b))
    x = np.random.default_rng(3).normal(size=(2, 2, 3)).astype("float32")
    found = isi.explain(model, {"z": x[0], "b": x[1]}, indicator="z")
    assert list(found.relevance) == list(found.x) == ["z", "b"]
    found.save(tmp_path / "found.npz")
    again = isi.Explanation.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(again.relevance["z"], found.relevance["z"])


def test_booleans_are_inputs_as_numbers_are():
    """A model that declares them has the map of one that takes 0 and 1; attacks hold them."""
    held, real = keras.Input((4,), dtype="bool"), keras.Input((4,))
    dense = keras.layers.Dense(5, "relu"), keras.layers.Dense(2)
    model = keras.Model(held, dense[1](dense[0](keras.ops.cast(held, "float32"))))
    numbers = keras.Model(real, dense[1](dense[0](real)))
    rng = np.random.default_rng(6)
    x = rng.random((5, 4)) > 0.5
    for rule in ("z", "zplus", isi.Composite("epsilon", first=isi.rules.ZBox(0, 1))):
        found = isi.explain(model, x, indicator=rule, target=1).relevance
        wanted = isi.explain(numbers, x.astype("float32"), indicator=rule, target=1).relevance
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert not isi.logits(model).plan(x[:1]).graphs.insists
    with pytest.raises(TypeError, match=r"takes integers \(bool\), which an attack cannot move"):
        isi.Attack()(model, x)
    both = keras.Model([real, held], dense[1](dense[0](keras.ops.where(held, real, 0.0 * real))))
    given = [rng.uniform(-1, 1, (5, 4)).astype("float32"), x]
    result = isi.MinimalL0(bounds=(-1, 1))(both, given)
    after = both.predict([result.adversarial, x], verbose=0).argmax(-1)
    np.testing.assert_array_equal(result.success, after != result.clean_prediction)
    (kept,) = (rows for name, rows in result.inputs.items() if rows.dtype == bool)
    np.testing.assert_array_equal(kept, x)


@pytest.mark.parametrize(
    ("cut", "match"),
    [
        (lambda z: z[:, 0], r"returns \(N\)\. An axis more .*model\.output\[:, None\]\)"),
        (lambda z: z[:, None], r"returns \(N, 1, 2\)\. One of its .*model\.output\[:, 0\]\)"),
    ],
)
def test_outputs_of_another_shape(cut, match):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, cut(keras.layers.Dense(2)(inputs)))
    with pytest.raises(ValueError, match=match):
        isi.explain(model, np.ones((2, 4), "float32"))
