"""Bounds, as attacks take and keep them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras import _checks, _component
from isi_keras.domain.domain import Domain


def as_domain(bounds: Any) -> Domain:
    """A `Domain` from one, its configuration or a pair `(low, high)`."""
    if isinstance(bounds, Domain):
        return bounds
    low, high = bounds
    return Domain(low, high)


def as_bounds(bounds: Any) -> Any:
    """Bounds as an attack keeps them: a pair of arrays, or a `Domain`.

    Args:
        bounds: a pair `(low, high)` of numbers or arrays, a `Domain` or its configuration.

    Raises:
        ValueError: if they are none of it, or `low` is above `high`; the text names the column.
    """
    if isinstance(bounds, Mapping):
        bounds = _component.get(bounds, Domain, {})
    if isinstance(bounds, Domain):
        return bounds
    if not isinstance(bounds, tuple | list | np.ndarray) or len(bounds) != 2:
        raise ValueError(
            "Expected bounds to be a pair (low, high) of numbers or arrays, or a Domain. "
            f"Received: {_checks.shown(bounds)}."
        )
    try:
        domain = Domain(*bounds)
    except ValueError as error:
        expected = "Expected bounds to be a pair (low, high) of numbers or arrays"
        if "low <= high" in str(error):
            expected = "Expected bounds with low <= high everywhere"
        raise ValueError(f"{expected}. Received: {_checks.shown(bounds)}. {error}") from error
    if (domain.low == domain.high).all():
        raise ValueError(
            "Expected bounds with low < high somewhere: no input could change. Received: "
            f"{_checks.shown(bounds)}."
        )
    return domain.low, domain.high
