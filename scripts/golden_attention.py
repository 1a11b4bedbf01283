"""Makes `tests/golden/attention.npz`: relevance through transformers, computed by other packages.

    python -m venv golden
    golden/bin/pip install torch==2.13.0 numpy==2.4.6 transformers==4.52.4 tabulate pillow
    golden/bin/pip install --no-deps torchvision==0.28.0 lxt==2.1 autolrp==0.2.0
    golden/bin/python scripts/golden_attention.py

It ran with exactly these, Torch in its build for CPUs, on Python 3.11. `tests/golden/README.md`
says what is stored and what it means. Four small Torch models with random weights, in float64, are
written once for three ways of computing their relevance (`GradientTimesInput`, `Explicit`,
`AutoLRP`), each by rules of a published package. All ways must agree, or nothing is written. Models
of `transformers` and `torchvision` with the same weights, patched by what `lxt` has for them, must
agree as well.
"""
# Three classes have one interface, which says what their methods are:
# ruff: noqa: D102

import concurrent.futures
import importlib.metadata
import math
import multiprocessing
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

try:
    import torchvision  # noqa: F401
except RuntimeError:  # Its wheel is for GPUs. With a Torch without, two operations are missing,
    for _name in ("nms", "qnms"):  # which nothing here runs.
        torch.library.define(f"torchvision::{_name}", "(Tensor a, Tensor b, float c) -> Tensor")

import autolrp
import lxt.explicit.functional as explicit
import lxt.explicit.rules as explicit_rules
from lxt.efficient import monkey_patch, patches
from lxt.efficient.models import gpt2, llama
from lxt.efficient.rules import divide_gradient, identity_rule_implicit, stop_gradient

TARGET = Path(__file__).parents[1] / "tests" / "golden" / "attention.npz"
WIDTH, HEADS, SIZE, HIDDEN, BLOCKS = 8, 2, 4, 16, 2
TOKENS, LENGTH = 11, 6
CLASSES = {"vit": 5, "bert": 3, "llama": TOKENS}
RULES = ("conservative", "attnlrp")
LLAMA_RULES = ("conservative", "conservative_halves", "attnlrp")
EPSILON = {"vit": 1e-6, "bert": 1e-5, "gpt2": 1e-5, "llama": 1e-6}  # of the normalizations
TINY = 1e-12  # the epsilon of the epsilon rule, where a package cannot do without


# Ways of computing relevance. Each has the same operations; `relevance` is that of the input `x`
# for a logit, and, if known, sums of what ended elsewhere, by name.


class GradientTimesInput:
    """The rules of `lxt.efficient`: relevance is the input times a modified gradient.

    What else was added on the way (biases, positions) gets its value times its gradient, and a
    softmax keeps what its scores do not get.
    """

    def __init__(self, rule: str):
        self.rule = rule
        self.softmaxes = []

    def linear(self, x, kernel, bias=None):
        z = x @ kernel
        return z if bias is None else z + bias

    def add(self, a, b):
        return a + b

    def activation(self, function, x):
        return identity_rule_implicit(function, x)

    def layer_norm(self, x, gamma, beta, epsilon):
        centred = x - x.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + epsilon).sqrt()
        return centred / stop_gradient(deviation) * gamma + beta

    def rms_norm(self, x, scale, epsilon):
        return x / stop_gradient((x.square().mean(-1, keepdim=True) + epsilon).sqrt()) * scale

    def rotate(self, x, cos, sin):
        return x * cos + half_turned(x) * sin

    def scores(self, queries, keys, factor):
        return divide_gradient(queries @ keys.mT, 2) * factor

    def softmax(self, scores, allowed):
        scores = scores if allowed is None else scores.masked_fill(~allowed, -1e9)
        weights = scores.softmax(-1)
        if self.rule == "attnlrp":
            self.softmaxes.append((scores, weights))
            scores.retain_grad()
            weights.retain_grad()
        return weights

    def mix(self, weights, values):
        if self.rule == "attnlrp":
            return divide_gradient(weights @ values, 2)
        return stop_gradient(weights) @ values

    def gated(self, gate, signal):
        if self.rule == "conservative":
            return stop_gradient(gate) * signal
        return divide_gradient(gate * signal, 2)

    def leaf(self, x):
        return x.clone().requires_grad_()

    def relevance(self, x, logit, weights):
        logit.backward()
        elsewhere = {}
        for path, weight in weights.items():
            if (name := summand(path)) and weight.grad is not None:
                elsewhere[name] = elsewhere.get(name, 0) + (weight * weight.grad).sum().item()
        if self.softmaxes:
            elsewhere["softmax"] = sum(
                ((w * w.grad).sum() - (s * s.grad).sum()).item() for s, w in self.softmaxes
            )
        return x.detach() * x.grad, elsewhere


class Explicit:
    """The rules of `lxt.explicit`: what flows back is relevance itself."""

    def __init__(self, rule: str):
        self.rule = rule

    def linear(self, x, kernel, bias=None):
        return explicit.linear_epsilon(x, kernel.T, bias, TINY)

    def add(self, a, b):
        return explicit.add2(a, b.expand_as(a), False, TINY)

    def activation(self, function, x):
        return explicit_rules.identity(function, x)

    def layer_norm(self, x, gamma, beta, epsilon):
        return explicit.layer_norm_grad_fn.apply(x, gamma, beta, epsilon, TINY)

    def rms_norm(self, x, scale, epsilon):
        """As `rms_norm_identity`, which works in float32."""
        return explicit_rules.identity(partial(root_mean_square, scale, epsilon), x)

    def rotate(self, x, cos, sin):
        return explicit_rules.epsilon_lrp(lambda x: x * cos + half_turned(x) * sin, TINY, x)

    def scores(self, queries, keys, factor):
        scores = explicit.matmul(queries, keys.mT, False, TINY)
        return explicit.mul2(scores, torch.tensor(factor, dtype=scores.dtype))

    def softmax(self, scores, allowed):
        scores = scores if allowed is None else scores.masked_fill(~allowed, -math.inf)
        return explicit.softmax(scores, -1)

    def mix(self, weights, values):
        if self.rule == "attnlrp":
            return explicit.matmul(weights, values, False, TINY)
        return explicit_rules.epsilon_lrp(torch.matmul, TINY, weights.detach(), values)

    def gated(self, gate, signal):
        return explicit.mul2(gate.detach() if self.rule == "conservative" else gate, signal)

    def leaf(self, x):
        return x.clone().requires_grad_()

    def relevance(self, x, logit, weights):
        logit.backward(logit.detach())
        return x.grad, None


class AutoLRP:
    """The rules of `autolrp`: epsilon for matrices, the softmax's Jacobian or the values alone.

    Its own way with sums and biases is to split by magnitude. Here all that is linear is therefore
    written as one matrix, whose last row, for an input of 1, is the bias.
    """

    def __init__(self, rule: str):
        self.rule = rule
        preset = autolrp.ATTNLRP if rule == "attnlrp" else autolrp.CPLRP
        self.config = autolrp.LRPConfig(rule={**autolrp.BASE, **preset}, eps=TINY)

    def linear(self, x, kernel, bias=None):
        if bias is None:
            return x @ kernel
        one = torch.ones_like(plain(x[..., :1]))
        return torch.cat([x, one], -1) @ torch.cat([kernel, bias[None]])

    def add(self, a, b):
        twice = torch.eye(a.shape[-1], dtype=torch.float64).repeat(2, 1)
        return torch.cat([a, b.expand_as(a)], -1) @ twice

    def activation(self, function, x):
        return function(x)

    def layer_norm(self, x, gamma, beta, epsilon):
        centring = torch.eye(x.shape[-1], dtype=torch.float64) - 1 / x.shape[-1]
        centred = x @ centring
        deviation = (plain(centred).square().mean(-1, keepdim=True) + epsilon).sqrt()
        return self.linear(centred / deviation, gamma.diag(), beta)

    def rms_norm(self, x, scale, epsilon):
        return x / (plain(x).square().mean(-1, keepdim=True) + epsilon).sqrt() @ scale.diag()

    def rotate(self, x, cos, sin):
        size = x.shape[-1]
        turn = half_turned(torch.eye(size, dtype=torch.float64))
        matrices = torch.diag_embed(cos) + turn * sin[:, None]
        return (x[..., None, :] @ matrices).squeeze(-2)

    def scores(self, queries, keys, factor):
        return (queries @ keys.mT) * factor

    def softmax(self, scores, allowed):
        scores = scores if allowed is None else scores.masked_fill(~allowed, -1e9)
        return scores.softmax(-1)

    def mix(self, weights, values):
        return weights @ values

    def gated(self, gate, signal):
        if self.rule == "conservative":
            return plain(gate) * signal
        return (gate[..., None, None] @ signal[..., None, None])[..., 0, 0]

    def leaf(self, x):
        return autolrp.tensor(x)

    def relevance(self, x, logit, weights):
        logit.lrp(config=self.config)  # of a relevance of 1
        return plain(x.relevance) * plain(logit), None


def plain(x):
    return x.detach().as_subclass(torch.Tensor)


def half_turned(x):
    first, second = x.chunk(2, -1)
    return torch.cat([-second, first], -1)


def root_mean_square(scale, epsilon, x):
    return x * (x.square().mean(-1, keepdim=True) + epsilon).rsqrt() * scale


def summand(path: str) -> str | None:
    """What relevance that a weight gets is counted as; a factor gets none."""
    kinds = {"bias": "bias", "beta": "bias", "positions": "positions", "token": "class_token"}
    return kinds.get(path.rpartition("/")[2])


# The models. Weights are named and laid out as in Keras; `x` is an image, or embedded tokens.

tanh_gelu = partial(functional.gelu, approximate="tanh")


def attention(way, w, name, x, allowed=None, turns=None):
    """Heads that share keys and values (Llama) have one of them."""

    def heads(part):
        kernel, bias = w[f"{name}/{part}/kernel"], w.get(f"{name}/{part}/bias")
        y = way.linear(x, kernel.flatten(1), None if bias is None else bias.flatten())
        return y.unflatten(-1, kernel.shape[1:]).transpose(1, 2)

    queries, keys, values = heads("query"), heads("key"), heads("value")
    if turns is not None:
        queries, keys = way.rotate(queries, *turns), way.rotate(keys, *turns)
    if keys.shape[1] < queries.shape[1]:
        repeats = queries.shape[1] // keys.shape[1]
        keys, values = (t.repeat_interleave(repeats, 1) for t in (keys, values))
    weights = way.softmax(way.scores(queries, keys, SIZE**-0.5), allowed)
    mixed = way.mix(weights, values).transpose(1, 2).flatten(2)
    kernel = w[f"{name}/attention_output/kernel"].flatten(0, 1)
    return way.linear(mixed, kernel, w.get(f"{name}/attention_output/bias"))


def dense(way, w, name, x):
    return way.linear(x, w[f"{name}/kernel"], w.get(f"{name}/bias"))


def normalized(way, w, name, x, epsilon):
    return way.layer_norm(x, w[f"{name}/gamma"], w[f"{name}/beta"], epsilon)


def perceptron(way, w, name, x, function):
    hidden = way.activation(function, dense(way, w, f"{name}_expand", x))
    return dense(way, w, f"{name}_contract", hidden)


def pre_normalized(way, w, x, allowed, function, epsilon):
    for name in (f"block{i}" for i in range(BLOCKS)):
        y = normalized(way, w, f"{name}_norm1", x, epsilon)
        x = way.add(x, attention(way, w, f"{name}_attention", y, allowed))
        y = normalized(way, w, f"{name}_norm2", x, epsilon)
        x = way.add(x, perceptron(way, w, name, y, function))
    return normalized(way, w, "norm", x, epsilon)


def vit(way, w, x, words=None):
    patches = x.reshape(-1, 2, 4, 2, 4, 3).transpose(2, 3).reshape(-1, 4, 48)
    kernel = w["patches/kernel"].reshape(48, WIDTH)
    x = way.linear(patches, kernel, w["patches/bias"])
    x = torch.cat([w["class_token/token"].expand(len(x), 1, WIDTH), x], 1)
    x = way.add(x, w["positions/positions"])
    x = pre_normalized(way, w, x, None, functional.gelu, EPSILON["vit"])
    return dense(way, w, "head", x[:, 0])


def bert(way, w, x, words):
    """Words that are 0 are padding, which nothing looks at."""
    allowed = (words != 0)[:, None, None]
    x = normalized(way, w, "norm", way.add(x, w["positions/positions"]), EPSILON["bert"])
    for name in (f"block{i}" for i in range(BLOCKS)):
        x = way.add(x, attention(way, w, f"{name}_attention", x, allowed))
        x = normalized(way, w, f"{name}_norm1", x, EPSILON["bert"])
        x = way.add(x, perceptron(way, w, name, x, functional.gelu))
        x = normalized(way, w, f"{name}_norm2", x, EPSILON["bert"])
    return dense(way, w, "head", x[:, 0])


def gpt(way, w, x, words):
    x = way.add(x, w["positions/positions"])
    x = pre_normalized(way, w, x, causal(), tanh_gelu, EPSILON["gpt2"])
    return way.linear(x[:, -1], w["tokens/embeddings"].detach().T)


def llama_model(way, w, x, words):
    angles = torch.arange(LENGTH).double()[:, None] * 10000 ** (
        -torch.arange(0, SIZE, 2).double() / SIZE
    )
    turns = [f(torch.cat([angles, angles], -1)) for f in (torch.cos, torch.sin)]
    for name in (f"block{i}" for i in range(BLOCKS)):
        y = way.rms_norm(x, w[f"{name}_norm1/scale"], EPSILON["llama"])
        x = way.add(x, attention(way, w, f"{name}_attention", y, causal(), turns))
        y = way.rms_norm(x, w[f"{name}_norm2/scale"], EPSILON["llama"])
        gate = way.activation(functional.silu, dense(way, w, f"{name}_gate", y))
        y = way.gated(gate, dense(way, w, f"{name}_up", y))
        x = way.add(x, dense(way, w, f"{name}_down", y))
    x = way.rms_norm(x, w["norm/scale"], EPSILON["llama"])
    return dense(way, w, "head", x[:, -1])


def causal():
    return torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()


MODELS: dict[str, Callable] = {"vit": vit, "bert": bert, "gpt2": gpt, "llama": llama_model}


# Weights and inputs.


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    biased = name != "llama"
    found = {}

    def linear(path, *shape, bias):
        found[f"{path}/kernel"] = shape
        if biased:
            found[f"{path}/bias"] = bias

    def norm(path):
        found.update(
            {f"{path}/{part}": (WIDTH,) for part in (("gamma", "beta") if biased else ("scale",))}
        )

    if name == "vit":
        linear("patches", 4, 4, 3, WIDTH, bias=(WIDTH,))
        found["class_token/token"] = (1, 1, WIDTH)
    else:
        found["tokens/embeddings"] = (TOKENS, WIDTH)
    if biased:
        found["positions/positions"] = (5 if name == "vit" else LENGTH, WIDTH)
    for block in (f"block{i}" for i in range(BLOCKS)):
        norm(f"{block}_norm1")
        norm(f"{block}_norm2")
        for part in ("query", "key", "value"):
            heads = 1 if name == "llama" and part != "query" else HEADS
            linear(f"{block}_attention/{part}", WIDTH, heads, SIZE, bias=(heads, SIZE))
        linear(f"{block}_attention/attention_output", HEADS, SIZE, WIDTH, bias=(WIDTH,))
        for part in ("expand",) if biased else ("gate", "up"):
            linear(f"{block}_{part}", WIDTH, HIDDEN, bias=(HIDDEN,))
        linear(f"{block}_{'contract' if biased else 'down'}", HIDDEN, WIDTH, bias=(WIDTH,))
    norm("norm")
    if name != "gpt2":
        linear("head", WIDTH, CLASSES[name], bias=(CLASSES[name],))
    return found


def drawn(rng, path, shape) -> np.ndarray:
    """Numbers that float32 holds exactly, so that Keras has the same weights."""
    values = rng.normal(size=shape)
    part = path.rpartition("/")[2]
    if part == "kernel":
        inputs = math.prod(shape[:2] if "attention_output" in path else shape[:1])
        inputs = math.prod(shape[:-1]) if path == "patches/kernel" else inputs
        values *= (2 if path.split("/")[1] in ("query", "key") else 1) / math.sqrt(inputs)
    elif part in ("gamma", "scale"):
        values = 1 + 0.3 * values
    elif part in ("bias", "beta"):
        values *= 0.2
    elif part in ("positions", "token"):
        values *= 0.4
    return values.astype("float32")


def inputs(rng) -> dict[str, tuple[str, np.ndarray]]:
    """For each case, which model it is of, and three inputs."""
    padded = rng.integers(1, TOKENS, (3, LENGTH))
    padded[np.arange(LENGTH) >= np.array([[5], [4], [2]])] = 0
    return {
        "vit": ("vit", rng.normal(size=(3, 8, 8, 3)).astype("float32")),
        "bert": ("bert", rng.integers(1, TOKENS, (3, LENGTH))),
        "bert_masked": ("bert", padded),
        "gpt2": ("gpt2", rng.integers(0, TOKENS, (3, LENGTH))),
        "llama": ("llama", rng.integers(0, TOKENS, (3, LENGTH))),
    }


def explained(kind, name, rule, arrays, x, target=0):
    """Logits, relevance of the image or of the embedded words, and what ended elsewhere, of one."""
    way = kind(rule)
    w = {path: torch.tensor(array, dtype=torch.float64) for path, array in arrays.items()}
    for weight in w.values():
        weight.requires_grad_(kind is GradientTimesInput)
    words = None if name == "vit" else torch.tensor(x[None])
    start = torch.tensor(x[None]).double() if name == "vit" else w["tokens/embeddings"][words]
    leaf = way.leaf(start.detach())
    logits = MODELS[name](way, w, leaf, words)
    relevance, elsewhere = way.relevance(leaf, logits[0, target], w)
    return plain(logits)[0].numpy(), relevance[0].numpy(), elsewhere


# Published models with the same weights, and what lxt replaces in them.


def published(name, rule, arrays, x, target):
    """Logits and relevance by another package's model. In a process of its own: patches stay."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float64)
    w = {path: torch.tensor(array, dtype=torch.float64) for path, array in arrays.items()}
    model, run = globals()[f"published_{name}"](rule, w)
    model.eval()
    start = torch.tensor(x)
    leaf = (start.double() if name == "vit" else w["tokens/embeddings"][start]).requires_grad_()
    logits = run(leaf, start)
    logits[range(len(x)), target].sum().backward()
    return logits.detach().numpy(), (leaf.detach() * leaf.grad).numpy()


def fill(model, found, ignored=()):
    missing, unexpected = model.load_state_dict(found, strict=False)
    if unexpected or any(not name.endswith(tuple(ignored)) for name in missing):
        raise ValueError(f"not the same model: {missing}, {unexpected}")


def projections(w, name, part):
    kernel, bias = w[f"{name}/{part}/kernel"], w.get(f"{name}/{part}/bias")
    if part == "attention_output":
        return kernel.flatten(0, 1).T, bias
    return kernel.flatten(1).T, None if bias is None else bias.flatten()


def copied(w, pairs):
    """Torch's names and layout of weights, for pairs of its and our names."""
    found = {}
    for theirs, ours in pairs.items():
        if f"{ours}/kernel" in w:
            found[f"{theirs}.weight"] = w[f"{ours}/kernel"].T
        for part, word in (
            ("gamma", "weight"),
            ("scale", "weight"),
            ("beta", "bias"),
            ("bias", "bias"),
        ):
            if f"{ours}/{part}" in w:
                found[f"{theirs}.{word}"] = w[f"{ours}/{part}"]
    return found


def attentions(w, theirs, ours, names):
    found = {}
    for part, name in zip(("query", "key", "value", "attention_output"), names, strict=True):
        kernel, bias = projections(w, ours, part)
        found[f"{theirs}.{name}.weight"] = kernel
        if bias is not None:
            found[f"{theirs}.{name}.bias"] = bias
    return found


def published_vit(rule, w):
    """Conservative: torchvision's, with lxt's own map. AttnLRP: transformers', patched alike."""
    patches_kernel = w["patches/kernel"].permute(3, 2, 0, 1)
    if rule == "conservative":
        from torchvision.models import vision_transformer as module

        monkey_patch(module)
        model = module.VisionTransformer(
            8,
            4,
            BLOCKS,
            HEADS,
            WIDTH,
            HIDDEN,
            num_classes=CLASSES["vit"],
            norm_layer=partial(torch.nn.LayerNorm, eps=EPSILON["vit"]),
        )
        pairs = {"encoder.ln": "norm", "heads.head": "head"}
        found = {
            "class_token": w["class_token/token"],
            "encoder.pos_embedding": w["positions/positions"][None],
            "conv_proj.weight": patches_kernel,
            "conv_proj.bias": w["patches/bias"],
        }
        for i in range(BLOCKS):
            theirs = f"encoder.layers.encoder_layer_{i}"
            pairs |= {
                f"{theirs}.ln_1": f"block{i}_norm1",
                f"{theirs}.ln_2": f"block{i}_norm2",
                f"{theirs}.mlp.0": f"block{i}_expand",
                f"{theirs}.mlp.3": f"block{i}_contract",
            }
            three = [projections(w, f"block{i}_attention", p) for p in ("query", "key", "value")]
            out = projections(w, f"block{i}_attention", "attention_output")
            theirs += ".self_attention"
            found |= {
                f"{theirs}.in_proj_weight": torch.cat([kernel for kernel, _ in three]),
                f"{theirs}.in_proj_bias": torch.cat([bias for _, bias in three]),
                f"{theirs}.out_proj.weight": out[0],
                f"{theirs}.out_proj.bias": out[1],
            }
        fill(model, found | copied(w, pairs))
        return model, lambda leaf, start: model(leaf.permute(0, 3, 1, 2))

    from transformers import ViTConfig, ViTForImageClassification
    from transformers.activations import GELUActivation
    from transformers.models.vit import modeling_vit

    non_linear = partial(patches.patch_method, patches.non_linear_forward, keep_original=True)
    layer_norm = partial(patches.patch_method, patches.layer_norm_forward)
    patch_map = {
        modeling_vit: patches.patch_attention,
        GELUActivation: non_linear,
        torch.nn.LayerNorm: layer_norm,
    }
    monkey_patch(modeling_vit, patch_map)
    config = ViTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        intermediate_size=HIDDEN,
        layer_norm_eps=EPSILON["vit"],
        image_size=8,
        patch_size=4,
        num_labels=CLASSES["vit"],
    )
    model = ViTForImageClassification(config)
    pairs = {"vit.layernorm": "norm", "classifier": "head"}
    found = {
        "vit.embeddings.cls_token": w["class_token/token"],
        "vit.embeddings.position_embeddings": w["positions/positions"][None],
        "vit.embeddings.patch_embeddings.projection.weight": patches_kernel,
        "vit.embeddings.patch_embeddings.projection.bias": w["patches/bias"],
    }
    for i in range(BLOCKS):
        theirs = f"vit.encoder.layer.{i}"
        pairs |= {
            f"{theirs}.layernorm_before": f"block{i}_norm1",
            f"{theirs}.layernorm_after": f"block{i}_norm2",
            f"{theirs}.intermediate.dense": f"block{i}_expand",
            f"{theirs}.output.dense": f"block{i}_contract",
        }
        names = [f"attention.{name}" for name in ("query", "key", "value")] + ["output.dense"]
        found |= attentions(w, f"{theirs}.attention", f"block{i}_attention", names)
    fill(model, found | copied(w, pairs))
    return model, lambda leaf, start: model(leaf.permute(0, 3, 1, 2)).logits


def published_bert(rule, w):
    """The logits of the first word of a classifier of words, which has no pooling in between."""
    from transformers import BertConfig
    from transformers.models.bert import modeling_bert

    monkey_patch(modeling_bert)
    config = BertConfig(
        vocab_size=TOKENS,
        hidden_size=WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        intermediate_size=HIDDEN,
        max_position_embeddings=LENGTH,
        type_vocab_size=1,
        layer_norm_eps=EPSILON["bert"],
        num_labels=CLASSES["bert"],
        hidden_act="gelu",
    )
    model = modeling_bert.BertForTokenClassification(config)
    pairs = {"bert.embeddings.LayerNorm": "norm", "classifier": "head"}
    found = {
        "bert.embeddings.word_embeddings.weight": w["tokens/embeddings"],
        "bert.embeddings.position_embeddings.weight": w["positions/positions"],
        "bert.embeddings.token_type_embeddings.weight": torch.zeros(1, WIDTH),
    }
    for i in range(BLOCKS):
        theirs = f"bert.encoder.layer.{i}"
        pairs |= {
            f"{theirs}.attention.output.LayerNorm": f"block{i}_norm1",
            f"{theirs}.output.LayerNorm": f"block{i}_norm2",
            f"{theirs}.intermediate.dense": f"block{i}_expand",
            f"{theirs}.output.dense": f"block{i}_contract",
        }
        names = [f"self.{name}" for name in ("query", "key", "value")] + ["output.dense"]
        found |= attentions(w, f"{theirs}.attention", f"block{i}_attention", names)
    fill(model, found | copied(w, pairs))
    return model, lambda leaf, start: model(
        inputs_embeds=leaf, attention_mask=(start != 0).long()
    ).logits[:, 0]


def published_gpt2(rule, w):
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.models.gpt2 import modeling_gpt2

    monkey_patch(modeling_gpt2, gpt2.attnLRP if rule == "attnlrp" else gpt2.cp_LRP)
    config = GPT2Config(
        vocab_size=TOKENS,
        n_positions=LENGTH,
        n_embd=WIDTH,
        n_layer=BLOCKS,
        n_head=HEADS,
        n_inner=HIDDEN,
        layer_norm_epsilon=EPSILON["gpt2"],
    )
    model = GPT2LMHeadModel(config)
    pairs = {"transformer.ln_f": "norm"}
    found = {
        "transformer.wte.weight": w["tokens/embeddings"],
        "transformer.wpe.weight": w["positions/positions"],
        "lm_head.weight": w["tokens/embeddings"],
    }
    for i in range(BLOCKS):
        theirs = f"transformer.h.{i}"
        pairs |= {f"{theirs}.ln_1": f"block{i}_norm1", f"{theirs}.ln_2": f"block{i}_norm2"}
        three = [projections(w, f"block{i}_attention", p) for p in ("query", "key", "value")]
        out = projections(w, f"block{i}_attention", "attention_output")
        found |= {
            f"{theirs}.attn.c_attn.weight": torch.cat([kernel for kernel, _ in three]).T,
            f"{theirs}.attn.c_attn.bias": torch.cat([bias for _, bias in three]),
            f"{theirs}.attn.c_proj.weight": out[0].T,
            f"{theirs}.attn.c_proj.bias": out[1],
            f"{theirs}.mlp.c_fc.weight": w[f"block{i}_expand/kernel"],
            f"{theirs}.mlp.c_fc.bias": w[f"block{i}_expand/bias"],
            f"{theirs}.mlp.c_proj.weight": w[f"block{i}_contract/kernel"],
            f"{theirs}.mlp.c_proj.bias": w[f"block{i}_contract/bias"],
        }
    fill(model, found | copied(w, pairs))
    return model, lambda leaf, start: model(inputs_embeds=leaf).logits[:, -1]


def published_llama(rule, w):
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama import modeling_llama

    monkey_patch(modeling_llama, llama.attnLRP if rule == "attnlrp" else llama.cp_LRP)
    config = LlamaConfig(
        vocab_size=TOKENS,
        hidden_size=WIDTH,
        intermediate_size=HIDDEN,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        num_key_value_heads=1,
        head_dim=SIZE,
        max_position_embeddings=LENGTH,
        rms_norm_eps=EPSILON["llama"],
        rope_theta=10000.0,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    pairs = {"model.norm": "norm", "lm_head": "head"}
    found = {"model.embed_tokens.weight": w["tokens/embeddings"]}
    for i in range(BLOCKS):
        theirs = f"model.layers.{i}"
        pairs |= {
            f"{theirs}.input_layernorm": f"block{i}_norm1",
            f"{theirs}.post_attention_layernorm": f"block{i}_norm2",
            **{f"{theirs}.mlp.{part}_proj": f"block{i}_{part}" for part in ("gate", "up", "down")},
        }
        names = ("q_proj", "k_proj", "v_proj", "o_proj")
        found |= attentions(w, f"{theirs}.self_attn", f"block{i}_attention", names)
    fill(model, found | copied(w, pairs))
    return model, lambda leaf, start: model(inputs_embeds=leaf).logits[:, -1]


# What is stored, if all agree.


def explained_all(kind, name, rule, arrays, x, target):
    each = [explained(kind, name, rule, arrays, *pair) for pair in zip(x, target, strict=True)]
    logits, relevance, elsewhere = zip(*each, strict=True)
    if elsewhere[0] is not None:
        elsewhere = {part: np.array([e[part] for e in elsewhere]) for part in elsewhere[0]}
    return np.stack(logits), np.stack(relevance), elsewhere


def apart(found, logits, relevance) -> float:
    """The greatest difference, as a part of the greatest value, of `found` logits and relevance."""
    pairs = zip(found, (logits, relevance), strict=True)
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in pairs)


def alone(function, *args):
    """What `function` returns in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
        return pool.submit(function, *args).result()


def has_published(name, rule) -> bool:
    return rule in RULES and (name, rule) != ("bert", "conservative")


def golden() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(18)
    weights = {
        name: {path: drawn(rng, path, shape) for path, shape in shapes(name).items()}
        for name in MODELS
    }
    found = {
        f"{name}/weights/{path}": array
        for name, arrays in weights.items()
        for path, array in arrays.items()
    }
    print("largest difference from the first way, relative: explicit, autolrp, published model")
    for case, (name, x) in inputs(rng).items():
        arrays = weights[name]
        plain_logits = np.stack([explained(Explicit, name, RULES[0], arrays, one)[0] for one in x])
        target = plain_logits.argmax(1)
        target[-1] = plain_logits[-1].argmin()
        found |= {f"{case}/x": x, f"{case}/logits": plain_logits, f"{case}/target": target}
        for rule in LLAMA_RULES if name == "llama" else RULES:
            logits, relevance, elsewhere = explained_all(
                GradientTimesInput, name, rule, arrays, x, target
            )
            others = [
                explained_all(kind, name, rule, arrays, x, target)[:2]
                for kind in (Explicit, AutoLRP)
            ]
            if has_published(name, rule):
                others.append(alone(published, name, rule, arrays, x, target))
            differences = [apart(other, logits, relevance) for other in others]
            # transformers' Llama normalizes and turns in float32.
            limits = [1e-7, 1e-7, 1e-5 if name == "llama" else 1e-7]
            if any(d > limit for d, limit in zip(differences, limits, strict=False)):
                raise ValueError(f"{case}, {rule}: differ by {differences}")
            of_logit = logits[range(len(x)), target]
            total = relevance.reshape(len(x), -1).sum(1) + sum(elsewhere.values())
            np.testing.assert_allclose(total, of_logit, rtol=0, atol=1e-8)
            print(f"{case}, {rule}:", *(f"{d:.0e}" for d in differences))
            for i, logit in enumerate(of_logit):
                parts = {"relevance": relevance[i].sum()}
                parts |= {part: value[i] for part, value in elsewhere.items()}
                print(f"  {logit:.3f} =", *(f"{part} {v:.3f}" for part, v in parts.items()))
            found |= {f"{case}/{rule}/elsewhere/{part}": v for part, v in elsewhere.items()}
            if name == "vit":
                found[f"{case}/{rule}/relevance"] = relevance
            else:
                found[f"{case}/{rule}/relevance"] = relevance.sum(-1)
                found[f"{case}/{rule}/embedded"] = relevance
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    packages = ("torch", "numpy", "transformers", "torchvision", "lxt", "autolrp")
    print(sys.version.split()[0], *(f"{p} {importlib.metadata.version(p)}" for p in packages))
    np.savez_compressed(TARGET, **golden())
    print(f"{TARGET.stat().st_size} bytes in {TARGET}")
