"""Loops and branches, whose body is a Python function: written out, step by step.

While a model is traced, `ops.scan` and its like call their function once for each step, with
symbolic tensors, so that what it closes over may be symbolic, too. How often they do has to be
known then.
"""

from typing import Any

import keras
from keras import ops

from isi_keras import _keras, _operators
from isi_keras.graph.nodes import UntraceableError

_STEPS = 100_000  # beyond which a loop is said not to end

_each = keras.tree.map_structure
_flat = keras.tree.flatten


def write_out() -> None:
    """From now on, in a thread that traces a model, loops and branches are written out."""
    for name, function in _WRITTEN.items():
        kind = _keras.operation(name)
        # What a branch closes over may be symbolic where its condition is not.
        for method in ("symbolic_call", "call") if name == "Cond" else ("symbolic_call",):
            plain = getattr(kind, method)
            if not isinstance(vars(kind).get(method), _operators.WhileTracing):
                setattr(kind, method, _operators.WhileTracing(plain, function))


def _scan(self, f, init, xs=None):
    carry, made = init, []
    count = self.length if xs is None or self.length is not None else _count(xs, 0, "scan")
    for step in _steps(int(count), self.reverse):
        carry, y = f(carry, None if xs is None else _at(xs, step))
        made.append(y)
    return carry, _stacked(made, self.reverse)


def _map(self, f, xs):
    return _stacked([f(_at(xs, step)) for step in range(_count(xs, 0, "map"))])


def _vectorized_map(self, elements):
    return _map(self, self.function, elements)


def _associative_scan(self, f, elems):
    axis = self.axis
    made: list[Any] = []
    for step in _steps(_count(elems, axis, "associative_scan"), self.reverse):
        now = _each(lambda t: _slice(t, axis, step), elems)  # noqa: B023
        made.append(f(made[-1], now) if made else now)
    if self.reverse:
        made.reverse()
    return _each(lambda *parts: ops.concatenate(parts, axis=axis), *made)


def _fori_loop(self, init_val):
    bounds = [_known(bound, "fori_loop", "its bounds are") for bound in (self.lower, self.upper)]
    value = init_val
    for step in range(*map(int, bounds)):
        value = self.body_fun(step, value)
    return value


def _while_loop(self, loop_vars):
    several = keras.tree.is_nested(loop_vars)
    values, most = loop_vars, self.maximum_iterations
    for _ in range(_STEPS if most is None else int(most)):
        goes = self.cond(*values) if several else self.cond(values)
        if not bool(_known(goes, "while_loop", "whether it goes on is")):
            return values
        values = self.body(*values) if several else self.body(values)
    if most is None:
        raise UntraceableError(f"ops.while_loop does not end within {_STEPS} steps")
    return values


def _cond(self, pred, true_fn, false_fn):
    """Both branches, each entry from one of them."""
    if not isinstance(pred, keras.KerasTensor):
        return true_fn() if bool(pred) else false_fn()
    return _either(ops.cast(pred, "bool"), true_fn(), false_fn())


def _switch(self, index, branches, *operands):
    if not isinstance(index, keras.KerasTensor):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    made = [branch(*operands) for branch in branches]
    found = made[-1]
    for number in reversed(range(len(made) - 1)):
        found = _either(ops.less_equal(index, number), made[number], found)
    return found


def _either(chosen: Any, one: Any, other: Any) -> Any:
    keras.tree.assert_same_structure(one, other)
    return _each(lambda a, b: None if a is None else ops.where(chosen, a, b), one, other)


def _count(tensors: Any, axis: int, name: str) -> int:
    """How many steps there are along an axis."""
    count = _flat(tensors)[0].shape[axis]
    if count is None:
        raise UntraceableError(f"ops.{name} goes over samples, whose number is open")
    return count


def _steps(count: int, reverse: bool) -> Any:
    return reversed(range(count)) if reverse else range(count)


def _at(tensors: Any, step: int) -> Any:
    return _each(lambda t: t[step], tensors)


def _slice(tensor: Any, axis: int, step: int) -> Any:
    where = [slice(None)] * len(tensor.shape)
    where[axis] = slice(step, step + 1)
    return tensor[tuple(where)]


def _stacked(made: list[Any], reverse: bool = False) -> Any:
    """What steps returned, in the order of what they were given."""
    made = made[::-1] if reverse else made
    return _each(lambda *parts: None if parts[0] is None else ops.stack(parts, axis=0), *made)


def _known(value: Any, name: str, what: str) -> Any:
    if isinstance(value, keras.KerasTensor):
        raise UntraceableError(f"of ops.{name} {what} computed from the inputs")
    return value


_WRITTEN = {
    "Scan": _scan,
    "Map": _map,
    "VectorizedMap": _vectorized_map,
    "AssociativeScan": _associative_scan,
    "ForiLoop": _fori_loop,
    "WhileLoop": _while_loop,
    "Cond": _cond,
    "Switch": _switch,
}
