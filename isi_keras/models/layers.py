"""What a model is made of."""

from collections.abc import Iterator
from typing import Any

from isi_keras import _keras


def nodes(model: Any) -> Iterator[Any]:
    """The model and every layer and operation inside it, each once."""
    seen = set()
    stack = [model]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            stack.extend(reversed(_children(node)))


def _children(node: Any) -> list[Any]:
    """A layer used as the activation of another that holds nothing else belongs to that other."""
    found = _keras.children(node)
    activation = _keras.read(node, "activation")
    return found if any(child is not activation for child in found) else []
