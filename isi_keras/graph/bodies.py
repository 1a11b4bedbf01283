"""Loops and branches, whose body is a Python function: written out, step by step.

While a model is traced, `ops.scan` and its like call their function once for each step, with
symbolic tensors, so that what it closes over may be symbolic, too. How often they do has to be
known then.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from isi_keras import _keras, _operators
from isi_keras.graph.nodes import UntraceableError

_STEPS = 100_000  # beyond which a loop is said not to end

_each = keras.tree.map_structure
_flat = keras.tree.flatten


def write_out() -> None:
    """From now on, in a thread that traces a model, loops and branches are written out.

    Keras makes an operation where what it is given is symbolic. Where only what the body closes
    over is, it asks the backend, which fails then.
    """
    for name, (function, method) in _WRITTEN.items():
        kind, core = _keras.of_functions(name)
        plain = kind.symbolic_call  # pyright: ignore[reportAttributeAccessIssue]
        if not isinstance(vars(kind).get("symbolic_call"), _operators.WhileTracing):
            setattr(
                core, function.__name__, _or_written(getattr(core, function.__name__), function)
            )
            kind.symbolic_call = _operators.WhileTracing(plain, method)


def _or_written(plain: Callable, function: Callable) -> Callable:
    @functools.wraps(plain)
    def either(*args, **kwargs):
        try:
            return plain(*args, **kwargs)
        except Exception as error:
            if not _operators.tracing():
                raise
            try:
                return function(*args, **kwargs)
            except Exception:
                raise error from None

    return either


def scan(f, init, xs=None, length=None, reverse=False, unroll=1):  # noqa: D103
    carry, made = init, []
    count = length if xs is None or length is not None else _count(xs, 0, "scan")
    for step in _steps(int(count or 0), reverse):
        carry, y = f(carry, None if xs is None else _each(lambda t: t[step], xs))  # noqa: B023
        made.append(y)
    return carry, _stacked(made, reverse)


def map(f, xs):  # noqa: D103
    return _stacked([f(_each(lambda t: t[n], xs)) for n in range(_count(xs, 0, "map"))])  # noqa: B023


def vectorized_map(function, elements):  # noqa: D103
    return map(function, elements)


def associative_scan(f, elems, reverse=False, axis=0):  # noqa: D103
    made: list[Any] = []
    for step in _steps(_count(elems, axis, "associative_scan"), reverse):
        now = _each(lambda t: _slice(t, axis, step), elems)  # noqa: B023
        made.append(f(made[-1], now) if made else now)
    if reverse:
        made.reverse()
    return _each(lambda *parts: ops.concatenate(parts, axis=axis), *made)


def fori_loop(lower, upper, body_fun, init_val):  # noqa: D103
    bounds = [_known(bound, "fori_loop", "its bounds are") for bound in (lower, upper)]
    value = init_val
    for step in range(*(int(bound) for bound in bounds)):
        value = body_fun(step, value)
    return value


def while_loop(cond, body, loop_vars, maximum_iterations=None):  # noqa: D103
    several = isinstance(loop_vars, tuple | list)
    values = tuple(loop_vars) if several else (loop_vars,)
    for _ in range(_STEPS if maximum_iterations is None else int(maximum_iterations)):
        if not bool(_known(cond(*values), "while_loop", "whether it goes on is")):
            break
        made = body(*values)
        values = tuple(made) if isinstance(made, tuple | list) else (made,)
    else:
        if maximum_iterations is None:
            raise UntraceableError(f"ops.while_loop does not end within {_STEPS} steps")
    return values if several else values[0]


def cond(pred, true_fn, false_fn):
    """Both branches, each entry from one of them."""
    if not isinstance(pred, keras.KerasTensor):
        return true_fn() if bool(pred) else false_fn()
    return _either("cond", ops.cast(pred, "bool"), true_fn(), false_fn())


def switch(index, branches, *operands):
    """Likewise."""
    if not isinstance(index, keras.KerasTensor):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    made = [branch(*operands) for branch in branches]
    found = made[-1]
    for number in reversed(range(len(made) - 1)):
        found = _either("switch", ops.less_equal(index, number), made[number], found)
    return found


def _either(name: str, chosen: Any, one: Any, other: Any) -> Any:
    keras.tree.assert_same_structure(one, other)

    def entry(a, b):
        if a is None and b is None:
            return None
        a, b = (ops.convert_to_tensor(part) for part in (a, b))
        if a.shape != b.shape or a.dtype != b.dtype:
            raise UntraceableError(
                f"the branches of ops.{name} return {a.dtype} {a.shape} and {b.dtype} {b.shape}"
            )
        return ops.where(chosen, a, b)

    return _each(entry, one, other)


def _count(tensors: Any, axis: int, name: str) -> int:
    """How many steps there are along an axis."""
    count = _flat(tensors)[0].shape[axis]
    if count is None:
        raise UntraceableError(f"ops.{name} goes over samples, whose number is open")
    return count


def _steps(count: int, reverse: bool) -> Any:
    return reversed(range(count)) if reverse else range(count)


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


_WRITTEN: dict[str, tuple[Callable, Callable]] = {
    "Scan": (scan, lambda op, f, init, xs=None: scan(f, init, xs, op.length, op.reverse)),
    "Map": (map, lambda op, f, xs: map(f, xs)),
    "VectorizedMap": (vectorized_map, lambda op, elements: map(op.function, elements)),
    "AssociativeScan": (
        associative_scan,
        lambda op, f, elems: associative_scan(f, elems, op.reverse, op.axis),
    ),
    "ForiLoop": (fori_loop, lambda op, x: fori_loop(op.lower, op.upper, op.body_fun, x)),
    "WhileLoop": (
        while_loop,
        lambda op, x: while_loop(op.cond, op.body, x, op.maximum_iterations),
    ),
    "Cond": (cond, lambda op, *args: cond(*args)),
    "Switch": (switch, lambda op, *args: switch(*args)),
}
