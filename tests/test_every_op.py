"""Keras has no operation that is not known here: a new one fails a test, and not a user."""

import keras
import numpy as np
import pytest
from keras import ops
from makers.every_op import (
    ACTIVATIONS,
    MISJUDGED,
    MISRUN,
    OPERATORS,
    OTHERS,
    REASONS,
    SAMPLES,
    UNTRACEABLE,
    UNTRACEABLE_ACTIVATIONS,
    function_of,
    functions,
    installed,
    operations,
)
from makers.measured import measure

# What Keras gets wrong differs from backend to backend; what it has does not.
pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="is of TensorFlow"),
]
THERE = functions()
HERE = installed()
TRACED = [key for key in HERE if key not in UNTRACEABLE]
# Classes of operations that no sample makes.
UNMADE = {
    "Abs": "`ops.abs` makes its base, `Absolute`",
    "Arange": "`ops.arange` refuses symbolic numbers",
    **dict.fromkeys(
        ("Bartlett", "Blackman", "Hamming", "Hanning", "Kaiser"),
        "there until Keras 3.14; takes the length of a window",
    ),
    "Conj": "`ops.conj` makes its base, `Conjugate`",
    "Function": "holds a graph",
    "Mish": "`activations.mish` refuses symbolic tensors",
    "SegmentReduction": "is the base of those of segments",
}
# Methods of symbolic tensors that are no operation.
METHODS = {
    *("shape", "dtype", "ndim", "sparse", "ragged", "ragged_rank", "row_splits_dtype"),
    *("__init__", "__repr__", "__iter__", "__int__", "__float__", "__bool__"),
    *("__array__", "__jax_array__", "__tf_tensor__"),
}
# Those that Python no longer runs, and those that it runs with the operands of others exchanged.
EXCHANGED = {"__div__", "__rdiv__", "__rmatmul__", "__rand__", "__ror__", "__rxor__"}


def outputs(made) -> list[tuple]:
    """Shape and type of each tensor."""
    tensors = [t for t in keras.tree.flatten(made) if not isinstance(t, int)]
    return [(tuple(t.shape), keras.backend.standardize_dtype(t.dtype)) for t in tensors]


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def test_each_function_has_a_sample_or_a_reason():
    known = {function_of(key) for key in SAMPLES}
    assert set(THERE) - known - set(REASONS) == set()
    assert known & set(REASONS) == set()


def test_exceptions_are_of_samples():
    assert {*UNTRACEABLE, *MISJUDGED, *MISRUN} <= set(SAMPLES)
    assert set(UNTRACEABLE) & set(MISJUDGED) == set()
    assert set(UNTRACEABLE_ACTIVATIONS) <= set(ACTIVATIONS)


def test_symbolic_and_concrete_samples_agree():
    made = {key: outputs(SAMPLES[key].function(SAMPLES[key].input())) for key in HERE}
    promised = {key: outputs(SAMPLES[key].function(SAMPLES[key].tensor())) for key in TRACED}
    wrong = {key: (promised[key], made[key]) for key in TRACED if promised[key] != made[key]}
    assert set(wrong) <= set(MISJUDGED), wrong


def test_each_sample_is_one_operation():
    assert {key: len(operations(SAMPLES[key])) for key in TRACED} == dict.fromkeys(TRACED, 1)


def same_when_run(sample) -> bool:
    """Whether a graph with the operation makes what the function makes."""
    x = keras.Input(batch_shape=sample.shape, dtype=sample.dtype)
    try:
        found = keras.Function(x, sample.function(x))(sample.input())
    except Exception:  # of whatever kind: it is meant to be found
        return False
    found, made = (keras.tree.flatten(y) for y in (found, sample.function(sample.input())))
    found, made = ([ops.convert_to_numpy(t) for t in y] for y in (found, made))
    return len(found) == len(made) and all(
        np.allclose(a, b, 1e-5, 1e-5, equal_nan=True) for a, b in zip(found, made, strict=True)
    )


def test_each_operation_runs_by_itself():
    wrong = {key for key in TRACED if not same_when_run(SAMPLES[key])}
    assert wrong - set(MISRUN) == set()


def test_each_method_of_a_symbolic_tensor_has_a_sample():
    methods = {name for name, value in vars(keras.KerasTensor).items() if callable(value)}
    assert methods - set(OPERATORS) - METHODS - EXCHANGED == set()


def test_each_class_of_operation_has_a_sample():
    samples = [SAMPLES[key] for key in TRACED]
    samples += [ACTIVATIONS[key] for key in ACTIVATIONS if key not in UNTRACEABLE_ACTIVATIONS]
    samples += [*OPERATORS.values(), *OTHERS.values()]
    made = {type(node) for sample in samples for node in operations(sample)}
    layers = subclasses(keras.layers.Layer)
    there = {
        kind
        for kind in subclasses(keras.Operation) - {keras.Operation} - layers
        if kind.__module__.startswith("keras.")
    }
    assert {kind.__name__ for kind in there - made} - set(UNMADE) == set()


class TestOfMeasuring:
    """What `makers.measured` says of operations that everyone knows."""

    @pytest.mark.parametrize(
        ("key", "true", "false"),
        [
            ("relu", "euler entrywise selects nonnegative zero", "linear moves"),
            ("relu6", "entrywise nonnegative", "euler linear selects"),
            ("sigmoid", "entrywise nonnegative", "zero euler"),
            ("matmul", "linear euler zero", "entrywise moves keeps"),
            ("add", "affine entrywise", "linear zero euler"),
            ("transpose: axes", "moves linear euler keeps", "entrywise selects"),
            ("concatenate: constant", "moves affine", "linear"),
            ("max: axis", "selects euler keeps", "moves linear nonnegative"),
            ("softmax", "nonnegative", "entrywise zero"),
            ("floor", "steps entrywise", "constant"),
            ("ones_like", "constant", "steps moves linear"),
        ],
    )
    def test_facts(self, key, true, false):
        facts = measure(SAMPLES[key])
        assert {name: getattr(facts, name) for name in true.split()} == dict.fromkeys(
            true.split(), True
        )
        assert not any(getattr(facts, name) for name in false.split())

    def test_degrees(self):
        degrees = {"abs": 1, "square": 2, "reciprocal": -1, "normalize": 0, "multiply: both": 2}
        degrees |= {"tanh": None, "layer_normalization": 0, "std": 1, "var": 2, "sqrt": 0.5}
        assert {key: measure(SAMPLES[key]).degree for key in degrees} == degrees

    def test_ranges(self):
        gates = {"sigmoid": "[0, 1]", "tanh": "[-1, 1]", "relu": "", "softmax": "[0, 1]"}
        assert {key: measure(SAMPLES[key]).gate for key in gates} == gates

    def test_kinds(self):
        kinds = {"argmax": "i", "greater": "b", "polar": "c", "one_hot": "f", "cast": "f"}
        assert {key: measure(SAMPLES[key]).kind for key in kinds} == kinds
