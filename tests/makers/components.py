"""The components of the package."""

import inspect

from isi_keras import _component, composites, indicators, norms
from isi_keras.attacks import attack, jsma
from isi_keras.rules import first, proportional


def components():
    """Every final component of the package, found by walking it."""
    for module in (indicators, norms, proportional, first, composites, attack, jsma):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if (
                issubclass(kind, _component.Component)
                and kind.__module__.startswith(module.__name__)
                and not inspect.isabstract(kind)
            ):
                yield kind
