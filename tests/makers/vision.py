"""Models of images in which places or parts look at each other."""

import keras
import numpy as np
from keras import layers, ops

from makers.samples import Makers, image

VISION = Makers()


class Tokens(layers.Layer):
    """Puts a learned class token before the patches, and adds learned positions."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[2]), name="token_kernel")
        self.place = self.add_weight(shape=(1, shape[1] + 1, shape[2]), name="position")

    def call(self, x):
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[2]))
        return ops.concatenate([token, x], axis=1) + self.place


class Block(layers.Layer):
    """Attention and an MLP, each after a normalisation and beside a residual."""

    def __init__(self, width, heads=2):
        super().__init__()
        self.first, self.second = layers.LayerNormalization(), layers.LayerNormalization()
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.wide, self.narrow = layers.Dense(2 * width, "gelu"), layers.Dense(width)

    def call(self, x):
        h = self.first(x)
        x = x + self.attention(h, h)
        return x + self.narrow(self.wide(self.second(x)))


class VisionTransformer(keras.Model):
    def __init__(self):
        super().__init__()
        self.patches = layers.Conv2D(16, 4, 4)
        self.tokens, self.blocks = Tokens(), [Block(16), Block(16)]
        self.norm, self.head = layers.LayerNormalization(), layers.Dense(3)

    def call(self, x):
        x = self.patches(x)
        x = self.tokens(ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3])))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


@VISION.add
def subclassed_vit():
    return VisionTransformer(), image(16, 16, 3)


@VISION.add
def mlp_mixer():
    """Dense layers over the patches, then over the channels."""
    inputs = keras.Input((16, 16, 3))
    h = layers.Reshape((16, 12))(layers.Conv2D(12, 4, 4)(inputs))
    for _ in range(2):
        mixed = ops.transpose(layers.LayerNormalization()(h), (0, 2, 1))
        mixed = layers.Dense(16)(layers.Dense(24, "gelu")(mixed))
        h = h + ops.transpose(mixed, (0, 2, 1))
        mixed = layers.Dense(24, "gelu")(layers.LayerNormalization()(h))
        h = h + layers.Dense(12)(mixed)
    return keras.Model(inputs, layers.Dense(3)(ops.mean(h, axis=1))), image(16, 16, 3)


@VISION.add
def conv_mixer():
    inputs = keras.Input((16, 16, 3))
    h = layers.BatchNormalization()(layers.Conv2D(12, 4, 4, activation="gelu")(inputs))
    for _ in range(2):
        deep = layers.DepthwiseConv2D(3, padding="same", activation="gelu")(h)
        h = layers.Add()([h, layers.BatchNormalization()(deep)])
        h = layers.BatchNormalization()(layers.Conv2D(12, 1, activation="gelu")(h))
    h = layers.GlobalAveragePooling2D()(h)
    return keras.Model(inputs, layers.Dense(3)(h)), image(16, 16, 3)


class Votes(layers.Layer):
    """What each capsule predicts of each of the next."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[1], 4, shape[2], 6), name="votes_kernel")

    def call(self, x):
        return 40 * ops.einsum("nid,iodk->niok", x, self.kernel)


def squash(x):
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * square / (1 + square) / ops.sqrt(square + 1e-7)


@VISION.add
def capsules():
    """Two rounds of routing by agreement."""
    inputs = keras.Input((12, 12, 3))
    h = layers.Conv2D(8, 5, 2, activation="relu")(inputs)
    votes = Votes()(squash(layers.Reshape((16, 8))(h)))  # (N, in, out, 6)
    agreement = ops.zeros_like(votes[..., :1])
    for _ in range(2):
        share = ops.softmax(agreement, axis=2)
        out = squash(ops.sum(share * votes, axis=1, keepdims=True))
        agreement = agreement + ops.sum(votes * out, axis=-1, keepdims=True)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(out))), image(12, 12, 3)


class Transformer(layers.Layer):
    """Looks at an image through a window that it was told to move, turn or stretch."""

    def call(self, x, theta):
        height, width = x.shape[1:3]
        theta = ops.reshape(theta, (-1, 2, 3)) / 4 + ops.eye(2, 3)
        across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        grid = np.stack([across, down, np.ones_like(down)]).reshape(3, -1).astype("float32")
        place = ops.matmul(theta, grid)  # (N, 2, P)
        column = ops.clip((place[:, 0] + 1) * (width - 1) / 2, 0, width - 1.001)
        row = ops.clip((place[:, 1] + 1) * (height - 1) / 2, 0, height - 1.001)
        flat = ops.reshape(x, (-1, height * width, x.shape[3]))
        left, top = ops.floor(column), ops.floor(row)
        total = 0.0
        for far_down in (0, 1):
            for far_right in (0, 1):
                index = ops.cast((top + far_down) * width + left + far_right, "int32")
                weight = ops.abs(1 - far_down - (row - top)) * ops.abs(
                    1 - far_right - (column - left)
                )
                taken = ops.take_along_axis(flat, index[..., None], axis=1)
                total = total + weight[..., None] * taken
        return ops.reshape(total, (-1, height, width, x.shape[3]))


@VISION.add
def spatial_transformer():
    inputs = keras.Input((12, 12, 3))
    where = layers.Conv2D(4, 3, 2, activation="relu")(inputs)
    where = layers.Dense(6, "tanh")(layers.Flatten()(where))
    h = layers.Conv2D(8, 3, activation="relu")(Transformer()(inputs, where))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), image(12, 12, 3)


@VISION.add
def attention_of_channels_and_places():
    """As CBAM has it: means and maxima decide what passes."""
    inputs = keras.Input((12, 12, 3))
    h = layers.Conv2D(8, 3, activation="relu")(inputs)
    shared = keras.Sequential([layers.Dense(4, "relu"), layers.Dense(8)])
    means, maxima = ops.mean(h, axis=(1, 2)), ops.max(h, axis=(1, 2))
    h = h * ops.sigmoid(shared(means) + shared(maxima))[:, None, None]
    sides = [ops.mean(h, axis=-1, keepdims=True), ops.max(h, axis=-1, keepdims=True)]
    h = h * layers.Conv2D(1, 3, padding="same", activation="sigmoid")(ops.concatenate(sides, -1))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), image(12, 12, 3)


@VISION.add
def non_local():
    """Each place takes from all others as alike as they are."""
    inputs = keras.Input((8, 8, 3))
    h = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    query, key, value = (layers.Reshape((64, 4))(layers.Conv2D(4, 1)(h)) for _ in range(3))
    weights = ops.softmax(ops.einsum("nqd,nkd->nqk", query, key))
    h = h + layers.Conv2D(8, 1)(layers.Reshape((8, 8, 4))(ops.matmul(weights, value)))
    return keras.Model(inputs, layers.Dense(3)(ops.mean(h, axis=(1, 2)))), image(8, 8, 3)


@VISION.add
def perceiver():
    """A few learned vectors look at all pixels, then at each other."""

    class Latent(layers.Layer):
        def build(self, shape):
            self.latent = self.add_weight(shape=(1, 4, 12), name="latent_kernel")

        def call(self, x):
            return ops.repeat(self.latent, ops.shape(x)[0], axis=0)

    inputs = keras.Input((8, 8, 3))
    pixels = layers.Dense(12)(layers.Reshape((64, 3))(inputs))
    h = Latent()(pixels)
    h = h + layers.MultiHeadAttention(2, 6)(h, layers.LayerNormalization()(pixels))
    h = h + layers.MultiHeadAttention(2, 6)(h, h)
    return keras.Model(inputs, layers.Dense(3)(ops.mean(h, axis=1))), image(8, 8, 3)


@VISION.add
def shifted_windows():
    """Attention in windows, which are then shifted, by reshaping and rolling."""

    def windows(x):
        x = ops.transpose(ops.reshape(x, (-1, 2, 4, 2, 4, 8)), (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, 16, 8))

    def together(x):
        x = ops.transpose(ops.reshape(x, (-1, 2, 2, 4, 4, 8)), (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, 8, 8, 8))

    inputs = keras.Input((16, 16, 3))
    h = layers.Conv2D(8, 2, 2)(inputs)
    for shift in (0, 2):
        moved = ops.roll(layers.LayerNormalization()(h), (-shift, -shift), axis=(1, 2))
        parts = windows(moved)
        parts = together(layers.MultiHeadAttention(2, 4)(parts, parts))
        h = h + ops.roll(parts, (shift, shift), axis=(1, 2))
    return keras.Model(inputs, layers.Dense(3)(ops.mean(h, axis=(1, 2)))), image(16, 16, 3)


@VISION.add
def fourier_mixer():
    """Patches are mixed by a Fourier transform, of which the real part is kept."""
    inputs = keras.Input((16, 16, 3))
    h = layers.Reshape((16, 8))(layers.Conv2D(8, 4, 4)(inputs))
    real, _ = ops.fft2((h, ops.zeros_like(h)))
    h = layers.LayerNormalization()(h + real)
    h = layers.LayerNormalization()(h + layers.Dense(8)(layers.Dense(16, "gelu")(h)))
    return keras.Model(inputs, layers.Dense(3)(ops.mean(h, axis=1))), image(16, 16, 3)
