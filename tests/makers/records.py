"""Records of every class with random values, as their fields declare them."""

import dataclasses

import numpy as np

from isi_keras import results
from isi_keras.results import fields
from isi_keras.results.schema import Array, Shapes

COUNT = 7
LENGTHS = {"K": 4, "C": 3, "T": 6, "M": 2, "B": 3, "L": 3}
SETTINGS = {
    "measure": "l2",
    "patch": 1,
    "order": "most",
    "cascade": True,
    "similarity": "ssim",
    "samples": COUNT,
    "misclassified": 0,
}
PROVENANCE = {
    "model": {
        "name": "made",
        "parameters": 7,
        "sha256": "0123456789abcdef" * 4,
        "hashed": "architecture and weights",
    },
    "backend": "torch",
    "versions": {"isi_keras": "1.0", "keras": "3.15.1", "torch": "2.13.0+cpu"},
}


def kinds():
    """Every class of records of the package, found by walking."""
    return [kind for kind in results.Result.__subclasses__() if kind.__module__.startswith("isi_")]


def made(kind, optional=True, seed=0, count=COUNT, inputs=(), array=None):
    """A record of a class.

    Args:
        kind: the class.
        optional: whether what may be missing is there.
        seed: of the values.
        count: how many rows.
        inputs: the names of the inputs of an explanation; none for a single one.
        array: a function of a rule, a shape and a type, which makes an array; random numbers if
            it is `None`.
    """
    rng = np.random.default_rng(seed)
    array = array or (lambda rule, shape, dtype: random_array(rng, rule, shape, dtype))
    lengths, values = {**LENGTHS, "N": count, "A": count}, {}
    texts = optional and any(field.name == "tokens" for field in fields.of(kind))
    inner = (3,) if texts else (3, 2)
    for field in fields.of(kind):
        rule, name = field.rule, field.name
        if field.optional and not optional:
            values[name] = None
        elif isinstance(rule, Shapes):
            values[name] = {"one": list(inner)}
        elif field.axis.counts == fields.MADE:
            values[name] = PROVENANCE
        elif not isinstance(rule, Array):
            config = {"a": [1, {"b": None}], "bounds": [0.0, 1.0], **SETTINGS}
            values[name] = {"class_name": "Maker", "config": config}
        elif field.type in (str, float):
            values[name] = "channels_last" if field.type is str else 3.5
        else:
            names = inputs if field.named is None else ("p", "p/1") if field.named else ()
            rule = _bound(rule, lengths)
            shape = [
                size
                for word in (rule.shape or "N ...").split()
                for size in _of(word, lengths, inner)
            ]
            if name == "steps":
                rule = dataclasses.replace(rule, high=lengths["T"] - 1)
            found = [array(rule, tuple(shape), _dtype(name, rule)) for _ in names or [None]]
            values[name] = dict(zip(names, found, strict=True)) if names else found[0]
        if name == "steps":
            lengths["T"] = int(values[name].max(initial=0)) + 1
        if field.axis.until is not None and values[name] is not None:
            for index, steps in enumerate(values[field.axis.until]):
                values[name][index, steps + 1 :] = np.nan
    return kind(**_agreeing(values))


def _agreeing(values):
    """The values with reasons that say the same as success and budgets do."""
    reasons, success = values.get("stop_reason"), values.get("success")
    if reasons is not None:
        success = np.isfinite(values["min_budget"]) if success is None else success
        others = np.where(reasons == "success", "max_steps", reasons)
        values["stop_reason"] = np.where(success, "success", others)
    return values


def _of(word, lengths, inner):
    return inner if word in ("...", "*") else (lengths[word],)


def _bound(rule, lengths):
    high = rule.high if rule.below is None else lengths[rule.below] - 1
    return dataclasses.replace(rule, high=high)


def _dtype(name, rule):
    if "U" in rule.kinds or rule.kinds == "b":
        return {"U": "U", "b": "bool"}[rule.kinds]
    if "f" not in rule.kinds:
        return "int32"
    return "float32" if name in ("x", "adversarial", "relevance", "trajectory") else "float64"


def random_array(rng, rule, shape, dtype):
    size = int(np.prod(shape))
    if dtype == "U":
        words = [f"word {n}" for n in range(size)] if rule.distinct else None
        words = words or rng.choice(rule.words or ["a", "word", ""], size)
        return np.array(words, dtype=str).reshape(shape)
    if dtype in ("bool", "int32"):
        low = int(rule.low or 0)
        high = 1 if dtype == "bool" else min(4, 4 if rule.high is None else int(rule.high))
        return rng.integers(low, high, shape, endpoint=True).astype(dtype)
    values = rng.uniform(0, 1, shape)
    return (np.cumsum(values) / (size + 1) if rule.rising else values).astype(dtype)


def assert_same(one, other):
    """Raises unless two records are of one class, with equal values of equal types."""
    assert type(one) is type(other)
    for field in fields.of(type(one)):
        _assert_same_value(getattr(one, field.name), getattr(other, field.name))


def _assert_same_value(one, other):
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            _assert_same_value(one[key], other[key])
    elif isinstance(one, float):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    else:
        assert one == other
