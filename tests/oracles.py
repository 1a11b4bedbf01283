"""Everything a second time, in plain float64 NumPy: what the package is tested against.

One sample at a time. A linear layer of any kind is a matrix `w` `(J, K)` from its flat inputs to
its flat outputs (`makers/matrices.py` has that of a convolution); a network is a list of steps on
vectors.
"""

from typing import Any, NamedTuple

import numpy as np
from makers.matrices import conv_matrix

# Rules: what the inputs a (J,) of w (J, K) and b (K,) get of the relevance r (K,) of the outputs.


def positive(values):
    return np.maximum(values, 0)


def negative(values):
    return np.minimum(values, 0)


def share(r, terms, rest, epsilon):
    """Hands `r` to the inputs by their `terms` `(J, K)` of the sums, which `rest` is part of."""
    total = terms.sum(0) + rest
    stabilised = total + epsilon * np.where(total < 0, -1, 1)
    return terms @ np.divide(r, stabilised, out=np.zeros_like(total), where=stabilised != 0)


def epsilon_rule(a, w, b, r, *, epsilon=1e-6, bias=True):
    return share(r, a[:, None] * w, b * bias, epsilon)


def z_plus(a, w, b, r, *, epsilon=1e-6, bias=True):
    return share(r, positive(a[:, None] * w), positive(b) * bias, epsilon)


def alpha_beta(a, w, b, r, *, alpha=2.0, beta=1.0, epsilon=1e-6, bias=True):
    for_it = share(r, positive(a[:, None] * w), positive(b) * bias, epsilon)
    against = share(r, negative(a[:, None] * w), negative(b) * bias, epsilon)
    return alpha * for_it - beta * against


def gamma_rule(a, w, b, r, *, gamma=0.25, epsilon=1e-6, bias=True):
    """What agrees with the sign of the output, bias included, counts `1 + gamma` times."""
    z, terms, b = a @ w + b, a[:, None] * w, b * bias
    up = share(r * (z > 0), terms + gamma * positive(terms), b + gamma * positive(b), epsilon)
    down = share(r * (z < 0), terms + gamma * negative(terms), b + gamma * negative(b), epsilon)
    return up + down


def flat(a, w, b, r, *, connected=1.0, epsilon=1e-6, bias=True):
    """`connected` `(J, K)` is 0 where an input is not of the output's window, else 1."""
    return share(r, np.ones_like(w) * connected, 0, epsilon)


def w_square(a, w, b, r, *, epsilon=1e-6, bias=True):
    return share(r, w**2, b**2 * bias, epsilon)


def z_box(a, w, b, r, *, low=-1.0, high=1.0, epsilon=1e-6, bias=True):
    """The bias cancels: b - b+ - b- = 0. `low` and `high` are numbers or `(J,)`."""
    low, high = (np.broadcast_to(bound, a.shape)[:, None] for bound in (low, high))
    return share(r, a[:, None] * w - low * positive(w) - high * negative(w), 0, epsilon)


RULES = {
    "Epsilon": epsilon_rule,
    "ZPlus": z_plus,
    "AlphaBeta": alpha_beta,
    "Gamma": gamma_rule,
    "Flat": flat,
    "WSquare": w_square,
    "ZBox": z_box,
}
"""The oracle of each rule, by the name of its class."""


def composite(name, kinds, low=-1.0, high=1.0):
    """Rule and options of each linear layer; `kinds` says "conv" or "dense" of each, in order."""
    of_conv = {
        "epsilon": ("Epsilon", {}),
        "epsilon_plus": ("ZPlus", {}),
        "epsilon_alpha2beta1": ("AlphaBeta", {"alpha": 2.0, "beta": 1.0}),
        "epsilon_gamma": ("Gamma", {"gamma": 0.25}),
    }
    conv = of_conv[name.removesuffix("_flat").removesuffix("_box")]
    chosen = [conv if kind == "conv" else of_conv["epsilon"] for kind in kinds]
    if name.endswith("_flat"):
        chosen[0] = ("Flat", {})
    if name.endswith("_box") and "conv" in kinds:
        chosen[kinds.index("conv")] = ("ZBox", {"low": low, "high": high})
    return chosen


# Networks: steps with an output, a gradient and a relevance of their own.


class Linear(NamedTuple):
    w: Any  # (J, K)
    b: Any  # (K,)
    rule: str = "Epsilon"
    options: Any = {}  # noqa: RUF012

    def output(self, a):
        return a @ self.w + self.b

    def gradient(self, a, g):
        return self.w @ g

    def relevance(self, a, r):
        return RULES[self.rule](a, self.w, self.b, r, **self.options)


def convolution(kernel, bias, shape, rule="Epsilon", options=None, **geometry):
    """The step of `conv_matrix(kernel, shape, **geometry)`, and the shape of its output."""
    w, output_shape = conv_matrix(kernel, shape, **geometry)
    options = dict(options or {})
    if rule == "Flat":
        options["connected"] = conv_matrix(np.ones_like(kernel), shape, **geometry)[0]
    return Linear(w, np.tile(bias, w.shape[1] // len(bias)), rule, options), output_shape


class ReLU(NamedTuple):
    def output(self, a):
        return positive(a)

    def gradient(self, a, g):
        return g * (a > 0)

    def relevance(self, a, r):
        return r


class Rearrange(NamedTuple):
    """Pads with zeros, crops or permutes. What falls on padding is lost."""

    w: Any  # (J, K), zeros and ones

    def output(self, a):
        return a @ self.w

    def gradient(self, a, g):
        return self.w @ g

    relevance = gradient


class MaxPool(NamedTuple):
    windows: Any  # (J, K)

    def output(self, a):
        return np.where(self.windows, a[:, None], -np.inf).max(0)

    def gradient(self, a, g):
        winner = np.where(self.windows, a[:, None], -np.inf).argmax(0)
        return np.bincount(winner, g, len(a))

    relevance = gradient


def forward(steps, x):
    """The input of each step for one sample, and last the logits."""
    values = [np.asarray(x, "float64").ravel()]
    for step in steps:
        values.append(step.output(values[-1]))
    return values


def gradient(steps, x, seed):
    """The derivative of `seed . logits` by the input of one sample."""
    *inputs, _ = forward(steps, x)
    g = np.asarray(seed, "float64")
    for step, a in reversed(list(zip(steps, inputs, strict=True))):
        g = step.gradient(a, g)
    return g


def smoothgrad(steps, x, seed, draws, noise):
    """The mean derivative over copies; `draws` `(samples, ...)` are standard normal."""
    x = np.asarray(x, "float64").ravel()
    sigma = noise * (x.max() - x.min())
    return np.mean([gradient(steps, x + sigma * d.ravel(), seed) for d in draws], axis=0)


def path_gradient(steps, x, seed, points, baseline):
    """The mean derivative at the middles of `points` equal pieces of the way from a baseline."""
    x = np.asarray(x, "float64").ravel()
    shares = (np.arange(points) + 0.5) / points
    return np.mean([gradient(steps, baseline + s * (x - baseline), seed) for s in shares], axis=0)


def relevance(steps, x, seed):
    """The relevance of `seed . logits` at the input of one sample."""
    *inputs, logits = forward(steps, x)
    r = np.asarray(seed, "float64") * logits
    for step, a in reversed(list(zip(steps, inputs, strict=True))):
        r = step.relevance(a, r)
    return r


def mlp(weights, rule="Epsilon", **options):
    """The steps of dense layers `(w, b)` with ReLU between, all under one rule."""
    steps = [step for w, b in weights for step in (Linear(w, b, rule, options), ReLU())]
    return steps[:-1]


def seed(logits, classes, sign, objective):
    """The cotangent of a goal."""
    out = np.zeros(len(logits))
    out[classes] += 1
    if objective == "margin":
        others = np.where(np.arange(len(logits)) == classes, -np.inf, logits)
        out[np.argmax(others)] -= 1
    return sign * out


def significance(indicator, network, x, cotangent, centre):
    """Score and direction for one sample; an indicator that is a function is a mean derivative."""
    g = (indicator if callable(indicator) else gradient)(network, x, cotangent)
    if callable(indicator) or indicator == "sensitivity":
        return np.abs(g), np.sign(g)
    away = x - centre
    return -away * g, -np.sign(away)


def move(norm, x, origin, score, direction, used, low, high, **options):
    """One step of a norm for one sample: the new input, and what was picked."""
    x, picked = x.copy(), np.zeros(len(x), bool)
    if norm == "salient":
        return salient(x, used, low, high, **options)
    if norm == "l0":
        for _ in range(options.get("features", 1)):
            best = -1
            for i in range(len(x)):
                free = not used[i] and not picked[i]
                if options.get("skip_saturated"):
                    free = free and x[i] != (x[i], high[i], low[i])[int(direction[i])]
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


def salient(
    x, used, low, high, u, v, ways=(1,), features=2, step_size=1.0, once=False,
    skip_saturated=False, scaled=False,
):  # fmt: skip
    """The step of `Salient`, of the best of `M` ways; `u` and `v` are `(M, D)`."""
    best, picked, moved = -1, np.zeros(len(x), bool), x
    for one, other, way in zip(u, v, ways, strict=True):
        bound = high if way > 0 else low
        free = ~used if once else ~used | (x != bound)
        if skip_saturated:
            free &= x != bound
        factor = np.abs(bound - x) if scaled else 1
        scores = saliency_map(one * factor, -other * factor, 1, 1, free, features == 2)
        if scores.max() > best:
            best = scores.max()
            picked = np.isin(np.arange(len(x)), best_pairs(scores)[0])
            moved = np.where(picked, np.clip(x + way * step_size, low, high), x)
    return moved, picked


def attack(indicator, norm, weights, x, low, high, max_steps, target, objective, **options):
    """The attack on one sample; returns the input it ends with, the steps and the reason."""
    x = np.asarray(x, "float64").ravel()
    network = mlp(weights)
    origin, used, steps = x.copy(), np.zeros(len(x), bool), 0
    label = int(np.argmax(forward(network, x)[-1]))
    if target == label:
        return x, 0, "already_target"
    while True:
        logits = forward(network, x)[-1]
        prediction = int(np.argmax(logits))
        if (prediction != label) if target is None else (prediction == target):
            return x, steps, "success"
        if steps == max_steps:
            return x, steps, "max_steps"
        classes, sign = (label, -1) if target is None else (target, 1)
        cotangent = seed(logits, classes, sign, objective)
        score, direction = significance(indicator, network, x, cotangent, (low + high) / 2)
        if not score.any():
            return x, steps, "no_gradient"
        x, picked = move(norm, x, origin, score, direction, used, low, high, **options)
        if not picked.any():
            return x, steps, "exhausted" if norm == "l0" else "no_change"
        used |= picked
        steps += 1


# The saliency map of the Jacobian (Papernot et al. 2016, algorithms 2 and 3) and its variants.


def derivatives(network, x, output="logits"):
    """The forward derivative `(K, D)` of the logits or probabilities, and the probabilities."""
    logits = forward(network, x)[-1]
    slopes = np.stack([gradient(network, x, row) for row in np.eye(len(logits))])
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    if output == "probabilities":
        slopes = (np.diag(shares) - np.outer(shares, shares)) @ slopes
    return slopes, shares


def alternatives(slopes, shares, label, target, variant, increase=True):
    """What a saliency map may be of: `alpha` and `beta` `(D,)`, their signs, and the way to go.

    Towards a class `alpha` is to rise and `beta` to fall, so the sign is 1; away from one it is -1.
    """
    weights = shares if variant in ("wjsma", "tjsma") else np.ones(len(shares))
    classes = range(len(shares)) if variant == "mjsma" else [label if target is None else target]
    ways = (1, -1) if variant == "mjsma" else (1 if increase else -1,)
    for way in ways:
        for of in classes:
            others = np.arange(len(shares)) != of
            sign = -1 if target is None and of == label else 1
            yield slopes[of], weights[others] @ slopes[others], sign, way


def saliency_map(alpha, beta, sign, way, domain, pairs=True):
    """`-alpha * beta` of each pair `(D, D)`, or of each feature on the diagonal; -1 if excluded."""
    if pairs:
        alpha, beta = alpha[:, None] + alpha, beta[:, None] + beta
        domain = np.triu(domain[:, None] & domain, 1)
    else:
        alpha, beta, domain = np.diag(alpha), np.diag(beta), np.diag(domain)
    admissible = domain & (sign * way * alpha > 0) & (sign * way * beta < 0)
    return np.where(admissible, -alpha * beta, -1)


def best_pairs(scores, near=0.0):
    """The pairs of the greatest admissible score, and those of all but a share `near` of it."""
    best = scores.max()
    return [] if best < 0 else np.argwhere(scores >= best * (1 - near)).tolist()


def jsma(
    network,
    x,
    target,
    *,
    theta,
    steps,
    low=0.0,
    high=1.0,
    pairs=True,
    variant="jsma",
    channels=1,
    once=False,
    skip_saturated=False,
    output="logits",
    stop_when="target",
    order=None,
    most=None,
):
    """The attack on one sample; returns what it ends with, the order, the steps and the reason.

    No more than `most` features (or pixels) are picked in all.

    Where several choices are best up to rounding, that of `order` is taken, if there is one.
    `channels` of a pixel are one choice.
    """
    x = np.asarray(x, "float64").ravel()
    origin, taken = x.copy(), np.zeros(len(x), int)
    wanted = np.zeros(len(x), int) if order is None else order.ravel()
    label = int(np.argmax(forward(network, x)[-1]))
    if target == label:
        return x, taken, 0, "already_target"
    for step in range(1, steps + 2):
        prediction = int(np.argmax(forward(network, x)[-1]))
        turned = target is None or stop_when == "turned"
        reason = None
        if prediction != label if turned else prediction == target:
            reason = "success"
        elif step > steps:
            reason = "max_steps"
        slopes, shares = derivatives(network, x, output)
        if reason is None and not slopes.any():
            reason = "no_gradient"
        found = []
        for alpha, beta, sign, way in alternatives(
            slopes, shares, label, target, variant, theta > 0
        ):
            bound = high if way > 0 else low
            domain = taken == 0 if once else (taken == 0) | (x != bound)
            if skip_saturated:
                domain = domain & (x != bound)
            scale = np.abs(bound - x) if variant == "tjsma" else np.ones(len(x))
            alpha, beta = (
                (factor * scale * domain).reshape(-1, channels).sum(1) for factor in (alpha, beta)
            )
            domain = domain.reshape(-1, channels).any(1)
            used = (taken > 0).reshape(-1, channels).any(1)
            left = np.inf if most is None else most - used.sum()
            scores = saliency_map(alpha, beta, sign, way, domain & (used | (left > 0)), pairs)
            if pairs and left == 1:
                scores[np.ix_(~used, ~used)] = -1
            found += [(scores[p, q], p, q, way) for p, q in best_pairs(scores, 2e-6)]
        if reason is None and not found:
            reason = "inadmissible"
        if reason is not None:
            return x, np.where(x != origin, taken, 0), step - 1, reason
        best = max(score for score, *_ in found)
        near = [
            (np.isin(np.arange(len(x)) // channels, chosen), way)
            for score, *chosen, way in found
            if score >= best * (1 - 2e-6)
        ]
        # Of several the one whose new features were taken in this step.
        chosen, way = max(near, key=lambda one: (wanted[one[0] & (taken == 0)] == step).sum())
        taken[chosen & (taken == 0)] = step
        x = np.where(chosen, np.clip(x + way * abs(theta), low, high), x)
    raise AssertionError


def adversarial_distance(network, x, target, *, pairs=True, variant="jsma", increase=True):
    """The share of features, or of pairs of different ones, that are not admissible."""
    slopes, shares = derivatives(network, x)
    ((alpha, beta, sign, way),) = alternatives(slopes, shares, None, target, variant, increase)
    scores = saliency_map(alpha, beta, sign, way, np.ones(len(alpha), bool), pairs)
    count = len(alpha) * (len(alpha) - 1) / 2 if pairs else len(alpha)
    return 1 - (scores > 0).sum() / count
