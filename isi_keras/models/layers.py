"""What a model is made of."""

from collections.abc import Iterator
from typing import Any

import keras

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


def variables_of(model: Any) -> list[Any]:
    """The variables of a model, and the states that its recurrent layers keep."""
    known = {id(v): v for v in model.variables}
    for node in nodes(model):
        if isinstance(node, keras.layers.RNN) and node.stateful and node.states:
            known.update((id(v), v) for v in keras.tree.flatten(node.states))
    return list(known.values())


def _children(node: Any) -> list[Any]:
    """A layer used as the activation of another that holds nothing else belongs to that other."""
    found = _keras.children(node)
    activation = _keras.read(node, "activation")
    return found if any(child is not activation for child in found) else []
