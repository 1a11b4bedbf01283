"""`vjp`, `jit` and `uncompiled` for Torch.

Torch's own compiler, which Keras calls for `jit_compile=True`, frees what a backward pass read and
so cannot run a pullback, which may be called again: `vjp` runs outside of what it compiles.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import torch

COMPILES = False


def largest(convolves: bool) -> int:
    """How many samples are computed at once, at most: a GPU takes as long for fewer."""
    return 2048 if torch.cuda.is_available() else 512


def smaller(size: int, needed: int) -> int:
    """The next size of a batch of which so many rows are needed."""
    return needed if needed <= 0.8 * size else size


def uncompiled(fn) -> Callable:
    """A function that Torch's compiler leaves as it is, inside of what it compiles."""
    disable: Callable = torch.compiler.disable
    return disable(fn)


def rows_of(tensor, index):
    """Some rows as an array: from a GPU no others are fetched."""
    if tensor.is_cpu:
        return tensor.detach().numpy()[index]
    return tensor[torch.as_tensor(index, device=tensor.device)].cpu().numpy()


def readable(value):
    """A tensor where NumPy can read it: on the CPU."""
    return value.cpu() if isinstance(value, torch.Tensor) else value


def coarse() -> tuple[str, str] | None:
    """The operations that a GPU takes TF32 for, by a part of the name, and how to change that."""
    device = keras.ops.zeros(()).device
    if device.type != "cuda" or not torch.backends.cudnn.allow_tf32:
        return None
    can = torch.cuda.get_device_capability(device)[0] >= 8
    return ("Conv", "torch.backends.cudnn.allow_tf32 = False") if can else None


@uncompiled
def vjp(fn, x):
    """Returns `fn(x)` and the pullback of `fn` at `x`, a structure, for any number of calls."""
    leaves = keras.tree.flatten(x)
    with torch.enable_grad():
        leaves = [leaf.detach().requires_grad_() for leaf in leaves]
        y = fn(keras.tree.pack_sequence_as(x, leaves))

    @uncompiled
    def pullback(cotangent):
        if not y.requires_grad or not leaves:
            gradients = [torch.zeros_like(leaf) for leaf in leaves]
        else:
            gradients = torch.autograd.grad(
                y, leaves, cotangent, retain_graph=True, allow_unused=True, materialize_grads=True
            )
        return keras.tree.pack_sequence_as(x, list(gradients))

    return y.detach(), pullback


def jit(fn, any_rows=False) -> Any:
    """Runs a pure function of tensors without recording it: Torch computes as it goes.

    Where another thread trains meanwhile, its optimizer changes weights in place: a backward pass
    may refuse them, or see others than the forward pass did. Then the function runs again with
    copies of all it was given.
    """
    bare = torch.no_grad()(fn)

    @functools.wraps(fn)
    def run(*args):
        before = _versions(args)
        try:
            found = bare(*args)
        except RuntimeError as error:
            if "modified by an inplace operation" not in str(error):
                raise
        else:
            if _versions(args) == before:
                return found
        return bare(*keras.tree.map_structure(_copied, args))

    return run


def _versions(args) -> list[int]:
    """How often each tensor was changed in place, of those that count it."""
    tensors = [v for v in keras.tree.flatten(args) if isinstance(v, torch.Tensor)]
    return [tensor._version for tensor in tensors if not tensor.is_inference()]


def _copied(value):
    return value.detach().clone() if isinstance(value, torch.Tensor) else value
