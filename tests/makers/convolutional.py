"""Convolutional models as people write them themselves, with operations of Keras in `call`."""

import keras
import numpy as np
from keras import layers, ops

from makers.samples import Makers, image, sequential, table

CONVOLUTIONAL = Makers()


@CONVOLUTIONAL.add
def gated_conv():
    """One half of the channels opens the other."""
    inputs = keras.Input((12, 12, 3))
    h = inputs
    for _ in range(2):
        signal, gate = ops.split(layers.Conv2D(16, 3)(h), 2, axis=-1)
        h = signal * ops.sigmoid(gate)
    h = layers.GlobalAveragePooling2D()(h)
    return keras.Model(inputs, layers.Dense(3)(h)), image(12, 12, 3)


class Standardized(layers.Conv2D):
    """A convolution whose kernel has mean 0 and deviation 1 for each output."""

    def convolution_op(self, inputs, kernel):
        kernel = ops.convert_to_tensor(kernel)
        mean, variance = ops.moments(kernel, axes=(0, 1, 2), keepdims=True)
        return super().convolution_op(inputs, (kernel - mean) / ops.sqrt(variance + 1e-3))


@CONVOLUTIONAL.add
def weight_standardized():
    chain = [Standardized(8, 3), layers.GroupNormalization(4), layers.ReLU()]
    chain += [Standardized(8, 3), layers.GroupNormalization(4), layers.ReLU()]
    return sequential(image(12, 12, 3), *chain, layers.Flatten(), layers.Dense(3))


class PreActivation(keras.Model):
    """Residuals, padding and pooling by operations alone."""

    def __init__(self):
        super().__init__()
        self.stem = layers.Conv2D(8, 3)
        self.norms = [layers.BatchNormalization() for _ in range(2)]
        self.convolutions = [layers.Conv2D(8, 3, use_bias=False) for _ in range(2)]
        self.head = layers.Dense(3)

    def call(self, x):
        x = self.stem(x)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            h = ops.leaky_relu(norm(x), 0.1)
            x = x + convolution(ops.pad(h, [[0, 0], [1, 1], [1, 1], [0, 0]]))
        x = ops.average_pool(ops.relu(x), 2, strides=2)
        return self.head(ops.mean(x, axis=(1, 2)))


@CONVOLUTIONAL.add
def residual_of_operations():
    return PreActivation(), image(12, 12, 3)


@CONVOLUTIONAL.add
def siamese():
    """How two images differ, after the same layers."""
    tower = keras.Sequential(
        [layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(8)]
    )
    one, other = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    h = ops.abs(tower(one) - tower(other))
    x = image(8, 8, 3)
    return keras.Model([one, other], layers.Dense(3)(h)), [x, x[::-1].copy()]


@CONVOLUTIONAL.add
def unet():
    inputs = keras.Input((16, 16, 3))
    top = layers.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    low = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(top))
    deep = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(low))
    h = layers.Conv2DTranspose(8, 2, 2)(deep)
    h = layers.Conv2D(8, 3, activation="relu")(layers.Concatenate()([h, low]))
    h = layers.UpSampling2D(interpolation="bilinear")(h)
    h = layers.Concatenate()([h, layers.Cropping2D(2)(top)])
    h = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 1, activation="relu")(h))
    return keras.Model(inputs, layers.Dense(3)(h)), image(16, 16, 3)


@CONVOLUTIONAL.add
def shuffled_channels():
    """Convolutions in groups, whose channels are dealt anew."""
    inputs = keras.Input((12, 12, 3))
    h = layers.Conv2D(8, 3, activation="relu")(inputs)
    h = layers.Conv2D(8, 1, groups=2, activation="relu")(h)
    height, width = h.shape[1:3]
    h = ops.reshape(h, (-1, height, width, 2, 4))
    h = ops.reshape(ops.transpose(h, (0, 1, 2, 4, 3)), (-1, height, width, 8))
    h = layers.Conv2D(8, 3, groups=2, activation="relu")(h)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), image(12, 12, 3)


@CONVOLUTIONAL.add
def coordinates():
    """The place of each pixel as two channels more."""
    inputs = keras.Input((12, 12, 3))
    place = np.stack(np.meshgrid(np.linspace(-1, 1, 12), np.linspace(-1, 1, 12)), -1)
    place = ops.zeros_like(inputs[..., :1]) + place[None].astype("float32")
    h = layers.Conv2D(8, 3, activation="relu")(ops.concatenate([inputs, place], axis=-1))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), image(12, 12, 3)


@CONVOLUTIONAL.add
def conditioned():
    """A vector scales and shifts the channels, as FiLM has it."""
    picture, vector = keras.Input((12, 12, 3)), keras.Input((5,))
    h = layers.Conv2D(8, 3)(picture)
    scale, shift = ops.split(layers.Dense(16)(vector), 2, axis=-1)
    h = ops.relu(h * (1 + scale[:, None, None]) + shift[:, None, None])
    model = keras.Model([picture, vector], layers.Dense(3)(ops.mean(h, axis=(1, 2))))
    return model, [image(12, 12, 3), table(5)]


class GlobalResponse(layers.Layer):
    """Channels compete by their norm over all places, as ConvNeXtV2 has it."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=shape[-1:], name="gamma")
        self.beta = self.add_weight(shape=shape[-1:], name="beta")

    def call(self, x):
        size = ops.sqrt(ops.sum(ops.square(x), axis=(1, 2), keepdims=True) + 1e-6)
        size = size / (ops.mean(size, axis=-1, keepdims=True) + 1e-6)
        return self.gamma * (x * size) + self.beta + x


@CONVOLUTIONAL.add
def global_response():
    inputs = keras.Input((12, 12, 3))
    h = layers.LayerNormalization()(layers.Conv2D(8, 3, 2)(inputs))
    deep = layers.LayerNormalization()(layers.DepthwiseConv2D(3, padding="same")(h))
    h = h + layers.Dense(8)(GlobalResponse()(layers.Dense(16, "gelu")(deep)))
    return keras.Model(inputs, layers.Dense(3)(ops.mean(h, axis=(1, 2)))), image(12, 12, 3)


@CONVOLUTIONAL.add
def inception():
    inputs = keras.Input((12, 12, 3))
    ways = [layers.Conv2D(4, size, padding="same", activation="relu")(inputs) for size in (1, 3, 5)]
    ways.append(layers.Conv2D(4, 1)(layers.MaxPooling2D(3, 1, "same")(inputs)))
    h = layers.GlobalAveragePooling2D()(ops.relu(ops.concatenate(ways, axis=-1)))
    return keras.Model(inputs, layers.Dense(3)(h)), image(12, 12, 3)


@CONVOLUTIONAL.add
def dense_blocks():
    """Each convolution sees all before it."""
    inputs = keras.Input((12, 12, 3))
    h = inputs
    for _ in range(3):
        new = layers.Conv2D(4, 3, padding="same")(ops.relu(layers.BatchNormalization()(h)))
        h = ops.concatenate([h, new], axis=-1)
    return keras.Model(inputs, layers.Dense(3)(ops.max(h, axis=(1, 2)))), image(12, 12, 3)


@CONVOLUTIONAL.add
def preprocessing():
    """Resized, augmented and scaled inside the model."""
    chain = [layers.Resizing(8, 8), layers.RandomFlip(), layers.Rescaling(1 / 127.5, -1)]
    chain += [layers.Normalization(), layers.Conv2D(8, 3, activation="relu")]
    chain += [layers.GaussianNoise(0.1), layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)]
    return sequential(127.5 * (image(12, 12, 3) + 1), *chain)


@CONVOLUTIONAL.add
def bytes_as_inputs():
    x = (127.5 * (image(12, 12, 3) + 1)).astype("uint8")
    inputs = keras.Input((12, 12, 3), dtype="uint8")
    h = ops.cast(inputs, "float32") / 255.0 - 0.5
    h = layers.Flatten()(layers.Conv2D(8, 3, 2, activation="relu")(h))
    return keras.Model(inputs, layers.Dense(3)(h)), x


@CONVOLUTIONAL.add
def variational():
    """Mean and spread of a latent code; noise in training only."""

    class Sampling(layers.Layer):
        def call(self, mean, spread, training=False):
            if not training:
                return mean
            return mean + ops.exp(spread / 2) * keras.random.normal(ops.shape(mean))

    inputs = keras.Input((12, 12, 3))
    h = layers.Flatten()(layers.Conv2D(8, 3, 2, activation="relu")(inputs))
    h = Sampling()(layers.Dense(6)(h), layers.Dense(6)(h))
    return keras.Model(inputs, layers.Dense(3)(layers.Dense(8, "elu")(h))), image(12, 12, 3)


@CONVOLUTIONAL.add
def cosine_head():
    """As face recognition has it: normalised features against normalised class vectors."""

    class Cosine(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

        def call(self, x):
            return 8 * ops.matmul(ops.normalize(x), ops.normalize(self.kernel, axis=0))

    chain = [layers.Conv2D(8, 3, 2), layers.LeakyReLU(0.1), layers.Flatten()]
    return sequential(image(12, 12, 3), *chain, layers.Dense(8), Cosine())


@CONVOLUTIONAL.add
def maxout():
    inputs = keras.Input((12, 12, 3))
    h = layers.Reshape((5, 5, 4, 3))(layers.Conv2D(12, 3, 2)(inputs))
    h = ops.max(h, axis=-1)
    h = ops.max(layers.Reshape((8, 2))(layers.Dense(16)(layers.Flatten()(h))), axis=-1)
    return keras.Model(inputs, layers.Dense(3)(h)), image(12, 12, 3)


@CONVOLUTIONAL.add
def blurred_pooling():
    """A fixed low-pass kernel before each second pixel is taken."""
    blur = np.outer([1, 2, 1], [1, 2, 1]).reshape(3, 3, 1, 1) / 16
    blur = np.tile(blur, (1, 1, 8, 1)).astype("float32")
    inputs = keras.Input((12, 12, 3))
    h = layers.Conv2D(8, 3, activation="relu")(inputs)
    h = ops.depthwise_conv(h, ops.convert_to_tensor(blur), strides=1, padding="same")[:, ::2, ::2]
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h))), image(12, 12, 3)


@CONVOLUTIONAL.add
def feature_pyramid():
    inputs = keras.Input((16, 16, 3))
    levels = [layers.Conv2D(6, 3, 2, "same", activation="relu")(inputs)]
    levels.append(layers.Conv2D(8, 3, 2, "same", activation="relu")(levels[-1]))
    levels.append(layers.Conv2D(8, 3, 2, "same", activation="relu")(levels[-1]))
    h, found = 0.0, []
    for level in reversed(levels):
        side = layers.Conv2D(6, 1)(level)
        h = side if isinstance(h, float) else side + layers.UpSampling2D()(h)
        found.append(ops.mean(h, axis=(1, 2)))
    return keras.Model(inputs, layers.Dense(3)(ops.concatenate(found, -1))), image(16, 16, 3)


@CONVOLUTIONAL.add
def spectral_normalized():
    limited = [layers.SpectralNormalization(layers.Conv2D(8, 3, 2, activation="relu"))]
    limited.append(layers.SpectralNormalization(layers.Dense(8, "relu")))
    chain = [limited[0], layers.Flatten(), limited[1], layers.Dense(3)]
    model, x = sequential(image(12, 12, 3), *chain)
    for layer in limited:
        layer.vector_u.assign(np.ones(layer.vector_u.shape))
    return model, x


@CONVOLUTIONAL.add
def electroencephalogram():
    """As EEGNet has it: filters in time, then over the electrodes."""
    inputs = keras.Input((6, 32, 1))
    h = layers.Conv2D(4, (1, 8), padding="same", use_bias=False)(inputs)
    h = layers.BatchNormalization()(h)
    h = layers.DepthwiseConv2D((6, 1), depth_multiplier=2, use_bias=False)(h)
    h = layers.Activation("elu")(layers.BatchNormalization()(h))
    h = layers.SpatialDropout2D(0.25)(layers.AveragePooling2D((1, 4))(h))
    h = layers.SeparableConv2D(8, (1, 4), use_bias=False, padding="same")(h)
    h = layers.Activation("elu")(layers.BatchNormalization()(h))
    h = layers.Flatten()(layers.AveragePooling2D((1, 4))(h))
    return keras.Model(inputs, layers.Dense(3)(h)), image(6, 32, 1)
