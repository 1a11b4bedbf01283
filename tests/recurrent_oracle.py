"""Relevance through recurrent layers in plain float64 NumPy, one sample at a time.

After Arras et al. 2017, "Explaining Recurrent Neural Network Predictions in Sentiment Analysis":
of a product with a gate the signal takes all, an activation passes relevance on unchanged, a sum
splits it in proportion, a linear map by the epsilon rule,

    R_i = sum_j a_i w_ij / (z_j + epsilon sign(z_j)) R_j,    z_j = sum_i a_i w_ij + b_j,

in which `a` is the input *and* the last state, so that there is one `z` of both and of the biases.
What biases and epsilon get, and what reaches the initial state, which is zero, is absorbed.

Each function takes the input `x` `(T, F)`, weights as Keras lays them out, and the relevance of the
last output `(U,)` or of all outputs `(T, U)`. It returns the outputs, as many as relevance was
given of, the relevance of `x`, and the sum of what was absorbed. Options:

    epsilon: of the linear maps. Sums have none.
    go_backwards: starts with the last input. All outputs are then in the order they were made in.
    mask: `(T,)`, false at steps that leave state and output as they were.
    activation, recurrent_activation: functions of an array.
"""

from collections.abc import Callable

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(
    x,
    kernel,
    recurrent_kernel,
    bias,
    relevance,
    *,
    activation=np.tanh,
    recurrent_activation=sigmoid,
    epsilon=0.0,
    **options,
):
    """The gates are `i`, `f`, `o`; weights are in the order `i`, `f`, `c`, `o`."""
    kernels, recurrent_kernels = np.split(kernel, 4, 1), np.split(recurrent_kernel, 4, 1)
    biases = np.zeros((4, 1)) if bias is None else np.split(bias, 4)

    def step(x, h, c):
        z = [x @ k + h @ u + b for k, u, b in zip(kernels, recurrent_kernels, biases, strict=True)]
        i, f, o = (recurrent_activation(z[gate]) for gate in (0, 1, 3))
        kept, new = f * c, i * activation(z[2])
        return (o * activation(kept + new), kept + new), (x, h, kept, new)

    def back(memory, r_h, r_c):
        x, h, kept, new = memory
        r_kept, r_new, lost = of_sum(r_h + r_c, kept, new)
        terms = (x, kernels[2]), (h, recurrent_kernels[2])
        r_x, r_h, more = of_linear(r_new, *terms, rest=biases[2], epsilon=epsilon)
        return r_x, (r_h, r_kept), lost + more

    return unrolled(step, back, 2, x, recurrent_kernel, relevance, **options)


def gru(
    x,
    kernel,
    recurrent_kernel,
    bias,
    relevance,
    *,
    reset_after=True,
    activation=np.tanh,
    recurrent_activation=sigmoid,
    epsilon=0.0,
    **options,
):
    """The gates are `z`, `r`; weights are in the order `z`, `r`, `h`.

    With `reset_after` biases are `(2, 3 U)`: those of the input, and those that `r` is applied to.
    """
    kernels, recurrent_kernels = np.split(kernel, 3, 1), np.split(recurrent_kernel, 3, 1)
    both = np.zeros((2, kernel.shape[1]))
    if bias is not None:
        both[: 2 if reset_after else 1] = bias
    biases, recurrent_biases = (np.split(b, 3) for b in both)

    def gate(index, x, h):
        of_x, of_h = x @ kernels[index], h @ recurrent_kernels[index]
        return recurrent_activation(of_x + biases[index] + of_h + recurrent_biases[index])

    def step(x, h):
        z, r = gate(0, x, h), gate(1, x, h)
        if reset_after:
            terms, rest = (h, recurrent_kernels[2] * r), biases[2] + r * recurrent_biases[2]
        else:
            terms, rest = (r * h, recurrent_kernels[2]), biases[2]
        new = activation(x @ kernels[2] + terms[0] @ terms[1] + rest)
        kept, new = z * h, (1 - z) * new
        return (kept + new,), (x, terms, rest, kept, new)

    def back(memory, r_h):
        x, terms, rest, kept, new = memory
        r_kept, r_new, lost = of_sum(r_h, kept, new)
        r_x, r_h, more = of_linear(r_new, (x, kernels[2]), terms, rest=rest, epsilon=epsilon)
        return r_x, (r_h + r_kept,), lost + more

    return unrolled(step, back, 1, x, recurrent_kernel, relevance, **options)


def simple_rnn(
    x, kernel, recurrent_kernel, bias, relevance, *, activation=np.tanh, epsilon=0.0, **options
):
    """It has no gates."""
    bias = np.zeros(1) if bias is None else bias

    def step(x, h):
        return (activation(x @ kernel + h @ recurrent_kernel + bias),), (x, h)

    def back(memory, r_h):
        x, h = memory
        terms = (x, kernel), (h, recurrent_kernel)
        r_x, r_h, lost = of_linear(r_h, *terms, rest=bias, epsilon=epsilon)
        return r_x, (r_h,), lost

    return unrolled(step, back, 1, x, recurrent_kernel, relevance, **options)


def unrolled(
    step: Callable,
    back: Callable,
    states,
    x,
    recurrent_kernel,
    relevance,
    *,
    go_backwards=False,
    mask=None,
):
    """Forwards by `step`, which makes states and a memory of it; backwards by `back`."""
    x, relevance = np.asarray(x, "float64"), np.asarray(relevance, "float64")
    order = range(len(x))[::-1] if go_backwards else range(len(x))
    state = (np.zeros(len(recurrent_kernel)),) * states
    outputs, memories = [], []
    for t in order:
        memory = None
        if mask is None or mask[t]:
            state, memory = step(x[t], *state)
        outputs.append(state[0])
        memories.append(memory)
    of_all = relevance.ndim == 2
    of_outputs = np.zeros((len(x), len(recurrent_kernel)))
    of_outputs[slice(None) if of_all else -1] = relevance
    of_x, of_state, absorbed = np.zeros_like(x), (np.zeros(len(recurrent_kernel)),) * states, 0.0
    for t, memory, of_output in list(zip(order, memories, of_outputs, strict=True))[::-1]:
        of_state = (of_state[0] + of_output, *of_state[1:])
        if memory is not None:
            of_x[t], of_state, lost = back(memory, *of_state)
            absorbed += lost
    absorbed += sum(r.sum() for r in of_state)
    return np.array(outputs) if of_all else outputs[-1], of_x, absorbed


def of_sum(r, a, b):
    """What `a` and `b` get of the relevance `r` of their sum, and what is lost where it is 0."""
    total = a + b
    part = np.divide(r, total, out=np.zeros_like(total), where=total != 0)
    return a * part, b * part, r[total == 0].sum()


def of_linear(r, *terms, rest, epsilon):
    """What each `a` of `terms` `(a, w)` gets of `sum(a @ w) + rest`, and what is lost."""
    total = sum(a @ w for a, w in terms) + rest
    stabiliser = epsilon * np.where(total < 0, -1, 1)
    part = np.divide(r, total + stabiliser, out=np.zeros_like(total), where=total + stabiliser != 0)
    lost = (part * (rest + stabiliser)).sum() + r[total + stabiliser == 0].sum()
    return *(a * (w @ part) for a, w in terms), lost
