"""`vjp` and `jit` for Torch."""

import functools

import torch


def vjp(fn, x):
    """Returns `fn(x)` and the pullback of `fn` at `x`, which may be called more than once."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = fn(x)

    def pullback(cotangent):
        if not y.requires_grad:
            return torch.zeros_like(x)
        (gradient,) = torch.autograd.grad(
            y, x, cotangent, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        return gradient

    return y.detach(), pullback


def jit(fn):
    """Runs a pure function of tensors without recording it: Torch computes as it goes."""
    return functools.wraps(fn)(torch.no_grad()(fn))
