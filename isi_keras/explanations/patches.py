"""Patches of inputs that are flipped as one, and the order in which they are."""

import numbers
from typing import Any

import numpy as np

from isi_keras import _checks, axes


def groups(shape: tuple, patch: int | None, data_format: str) -> np.ndarray:
    """The number of the patch that each input belongs to; broadcasts to a sample.

    Args:
        shape: that of a sample.
        patch: the side of a patch in positions; `None` if each input is one of its own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        TypeError: if `patch` is not an integer.
        ValueError: if it is below 1, too large, or anything but 1 for a table.
    """
    if patch is not None:
        patch = _checks.integer("patch", patch, 1)
    axis = axes.channel_axis(1 + len(shape), data_format)
    if axis is None and patch not in (None, 1):
        raise ValueError(
            f"A table, x of shape (N, {shape[0]}), has no patches of pixels. Received: "
            f"patch={patch}. Leave patch out, or restore the shape of the images."
        )
    if patch is None or axis is None:
        return np.arange(np.prod(shape)).reshape(shape)
    sides = shape[:-1] if axis == -1 else shape[1:]
    if patch > max(sides):
        raise ValueError(
            f"The patch is larger than a sample of {' x '.join(map(str, sides))} "
            f"{axes.word(shape)}s (with data_format={data_format!r}). Received: patch={patch}. "
            f"Pass at most {max(sides)}."
        )
    cells = [np.arange(side) // patch for side in sides]
    number = np.ravel_multi_index(
        np.meshgrid(*cells, indexing="ij"), [int(cell[-1]) + 1 for cell in cells]
    )
    return np.expand_dims(number, -1 if axis == -1 else 0)


def by_relevance(relevance: np.ndarray, groups: np.ndarray, most: bool) -> np.ndarray:
    """The place of each patch in the order of each sample, from 0; int32 `(N, patches)`.

    Args:
        relevance: the maps, `(N, ...)`.
        groups: what `groups` returned for a sample.
        most: whether the most relevant come first, or the least.
    """
    patches, samples = int(groups.max()) + 1, len(relevance)
    owner = np.broadcast_to(groups, relevance.shape[1:]).ravel()  # (D,)
    index = (np.arange(samples)[:, None] * patches + owner).ravel()
    weights = relevance.astype("float64").ravel()
    total = np.bincount(index, weights, samples * patches).reshape(samples, patches)
    ranked = np.argsort(-total if most else total, axis=1, kind="stable")
    place = np.empty(ranked.shape, "int32")
    np.put_along_axis(place, ranked, np.arange(patches, dtype="int32")[None], axis=1)
    return place


def by_chance(rows: np.ndarray, patches: int, seed: int) -> np.ndarray:
    """The same for a random order, which depends on the seed and the number of the sample alone.

    Args:
        rows: the numbers of the samples, `(N,)`.
        patches: how many patches a sample has.
        seed: of the order.
    """
    orders = [np.random.default_rng((seed, row)).permutation(patches) for row in rows]
    return np.stack(orders).astype("int32")


def counts(steps: Any, patches: int) -> np.ndarray:
    """How many patches are flipped, beginning with none; int32 `(T + 1,)`.

    Args:
        steps: how many steps of equal size flip everything, or how many patches are flipped after
            each step.
        patches: how many patches a sample has.

    Raises:
        TypeError: if `steps` is neither.
        ValueError: if it is not positive and ascending up to `patches`.
    """
    if isinstance(steps, numbers.Integral):
        steps = min(_checks.integer("steps", steps, 1), patches)
        return (np.arange(steps + 1) * patches // steps).astype("int32")
    found = np.asarray(list(steps) if isinstance(steps, range) else steps)
    if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iu":
        raise TypeError(
            "Expected steps to be an integer, or how many patches are flipped after each step. "
            f"Received: steps={_checks.shown(steps)}. Try steps=50, or steps=range(1, 101)."
        )
    found = found if found[0] == 0 else np.concatenate([[0], found])
    if found.size < 2 or (np.diff(found) < 1).any() or found[-1] > patches:
        raise ValueError(
            f"Expected steps to ascend from 1 to at most {patches}, the number of patches. "
            f"Received: {found.size} entries up to {found.max()}, beginning with "
            f"{found[:5].tolist()}."
        )
    return found.astype("int32")
