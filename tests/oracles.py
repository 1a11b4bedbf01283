"""Everything a second time, in plain float64 NumPy: what the package is tested against.

`ISI` is one sample at a time, by loops, for a network given as `(W, b)` pairs with ReLU between.
"""

import numpy as np


def forward(weights, x):
    """The pre-activations of each layer for one sample; the last are the logits."""
    values, a = [], np.asarray(x, "float64").ravel()
    for layer, (w, b) in enumerate(weights):
        z = a @ w + b
        values.append(z)
        a = np.maximum(z, 0) if layer < len(weights) - 1 else z
    return values


def gradient(weights, x, seed):
    """The derivative of `seed . logits` by the input of one sample."""
    values = forward(weights, x)
    g = np.asarray(seed, "float64")
    for layer in range(len(weights) - 1, -1, -1):
        if layer < len(weights) - 1:
            g = g * (values[layer] > 0)
        g = weights[layer][0] @ g
    return g


def relevance(weights, x, seed, epsilon):
    """Layer-wise relevance propagation with the epsilon rule, layer by layer, one sample."""
    inputs, values = np.asarray(x, "float64").ravel(), forward(weights, x)
    activations = [inputs, *(np.maximum(z, 0) for z in values[:-1])]
    r = np.asarray(seed, "float64") * values[-1]
    for layer in range(len(weights) - 1, -1, -1):
        a, w, z = activations[layer], weights[layer][0], values[layer]
        stabilised = z + epsilon * np.where(z < 0, -1.0, 1.0)
        share = np.divide(r, stabilised, out=np.zeros_like(r), where=stabilised != 0)
        r = a * (w @ share)
    return r


RULES = {"Epsilon": relevance}
"""The oracle of each rule, by the name of its class."""


def seed(logits, classes, sign, objective):
    """The cotangent of a goal."""
    out = np.zeros(len(logits))
    out[classes] += 1
    if objective == "margin":
        others = np.where(np.arange(len(logits)) == classes, -np.inf, logits)
        out[np.argmax(others)] -= 1
    return sign * out


def significance(indicator, weights, x, cotangent, centre):
    """Score and direction of an indicator for one sample."""
    g = gradient(weights, x, cotangent)
    if indicator == "sensitivity":
        return np.abs(g), np.sign(g)
    away = x - centre
    return -away * g, -np.sign(away)


def move(norm, x, origin, score, direction, used, low, high, **options):
    """One step of a norm for one sample: the new input, and what was picked."""
    x, picked = x.copy(), np.zeros(len(x), bool)
    if norm == "l0":
        for _ in range(options.get("features", 1)):
            best = -1
            for i in range(len(x)):
                free = not used[i] and not picked[i]
                if free and (best < 0 or score[i] > score[best]):
                    best = i
            if best < 0:
                break
            picked[best] = True
            if direction[best] != 0:
                x[best] = high[best] if direction[best] > 0 else low[best]
        return x, picked
    if norm == "l2":
        order = sorted(range(len(x)), key=lambda i: (-score[i], i))[: options["features"]]
        moved = x.copy()
        moved[order] += options["step_size"] * direction[order]
    else:
        moved = x + options["step_size"] * np.sign(score) * direction
        if options.get("epsilon"):
            moved = np.clip(moved, origin - options["epsilon"], origin + options["epsilon"])
    moved = np.clip(moved, low, high)
    return moved, moved != x


def attack(indicator, norm, weights, x, low, high, max_steps, target, objective, **options):
    """The attack on one sample; returns the input it ends with, the steps and the reason."""
    x = np.asarray(x, "float64").ravel()
    origin, used, steps = x.copy(), np.zeros(len(x), bool), 0
    label = int(np.argmax(forward(weights, x)[-1]))
    if target == label:
        return x, 0, "already_target"
    while True:
        logits = forward(weights, x)[-1]
        prediction = int(np.argmax(logits))
        if (prediction != label) if target is None else (prediction == target):
            return x, steps, "success"
        if steps == max_steps:
            return x, steps, "max_steps"
        classes, sign = (label, -1) if target is None else (target, 1)
        cotangent = seed(logits, classes, sign, objective)
        score, direction = significance(indicator, weights, x, cotangent, (low + high) / 2)
        if not score.any():
            return x, steps, "no_gradient"
        x, picked = move(norm, x, origin, score, direction, used, low, high, **options)
        if not picked.any():
            return x, steps, "exhausted" if norm == "l0" else "no_change"
        used |= picked
        steps += 1
