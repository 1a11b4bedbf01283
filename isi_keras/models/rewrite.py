"""Running a model with some attributes of its layers exchanged for the time of one pass.

This is the only file that touches a user's layers. Both removing the final softmax and layer-wise
relevance propagation are such exchanges (of `activation` and of `call`).
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from isi_keras import _keras

_LOCK = threading.RLock()
_MISSING = object()


class Swap(NamedTuple):
    """`name` of `layer` is `value` while the exchange lasts."""

    layer: Any
    name: str
    value: Any


@contextlib.contextmanager
def rewritten(swaps: Iterable[Swap]) -> Iterator[None]:
    """Exchanges attributes, and puts the old ones back whatever happens.

    The values go straight into the instances' dictionaries: Keras' attribute tracking neither sees
    nor records them. One thread at a time holds the exchange.
    """
    with _LOCK:
        old = []
        try:
            for layer, name, value in swaps:
                _keras.check_exchange(layer, name)
                old.append((vars(layer), name, vars(layer).get(name, _MISSING)))
                vars(layer)[name] = value
            yield
        finally:
            for attributes, name, value in reversed(old):
                if value is _MISSING:
                    del attributes[name]
                else:
                    attributes[name] = value


def nodes(model, whole: Callable[[Any], Any] = lambda node: False) -> Iterator[Any]:
    """The model and every layer and operation inside it, each once.

    What is inside a node of which `whole` is true counts as part of that node.
    """
    seen = set()
    stack = [model]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            if node is model or not whole(node):
                stack.extend(reversed(_children(node)))


def leaves(model, whole: Callable[[Any], Any] = lambda node: False) -> Iterator[Any]:
    """The layers and operations of a model that hold no others or are `whole`, each once.

    A layer used as the activation of another that holds nothing else belongs to that other.
    """
    return (
        node
        for node in nodes(model, whole)
        if node is not model and (whole(node) or not _children(node))
    )


def _children(node) -> list[Any]:
    found = _keras.children(node)
    activation = _keras.read(node, "activation")
    others = [child for child in found if child is not activation]
    return found if others else []
