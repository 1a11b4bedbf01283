"""Where a model says that the channels of its inputs are."""

import keras
import numpy as np
import pytest
from keras import layers
from makers.networks import images, small_network

import isi_keras as isi
from isi_keras import models

FIRST, LAST = "channels_first", "channels_last"


@pytest.fixture(params=[FIRST, LAST])
def setting(request):
    """Keras' setting, for the time of a test."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(request.param)
    yield request.param
    keras.config.set_image_data_format(before)


def convolutions(*formats):
    inner = [layers.Conv2D(2, 2, data_format=said, padding="same") for said in formats]
    return keras.Sequential(
        [keras.Input((4, 4, 4)), *inner, layers.Flatten(data_format=LAST), layers.Dense(2)]
    )


@pytest.mark.parametrize("said", [FIRST, LAST])
def test_layers_that_agree(setting, said):
    model = convolutions(said, said)
    assert models.data_format_of(model) == said
    assert models.data_format_of(keras.Sequential([keras.Input((4, 4, 4)), model])) == said


def test_layers_that_disagree(setting):
    model = keras.Sequential(
        [
            keras.Input((3, 8, 8)),
            layers.MaxPooling2D(data_format=FIRST),
            layers.Permute((2, 3, 1)),
            layers.Conv2D(2, 2, data_format=LAST),
        ]
    )
    assert models.data_format_of(model) == setting


def test_no_layers_that_say(setting):
    other = LAST if setting == FIRST else FIRST
    model = keras.Sequential(
        [keras.Input((3, 4, 5)), layers.Flatten(data_format=other), layers.Dense(2)]
    )
    assert models.data_format_of(model) == setting


def test_sequences_have_their_channels_last_whatever_images_have(setting):
    """Keras' recurrent, dense and attention layers know no other way."""
    model = keras.Sequential([keras.Input((8, 4)), layers.GRU(3), layers.Dense(2)])
    x = np.random.default_rng(0).uniform(-1, 1, (3, 8, 4))
    assert isi.logits(model).plan(x).data_format == LAST
    result = isi.Attack("sensitivity", isi.L0(unit="position"), max_steps=1)(model, x)
    assert (result.changed.any(axis=2).sum(axis=1) == 1).all()


def test_what_does_nothing_at_inference_is_not_asked():
    model = keras.Sequential(
        [
            keras.Input((3, 6, 6)),
            layers.RandomFlip(data_format=LAST),
            layers.MaxPooling2D(data_format=FIRST),
            layers.SpatialDropout2D(0.5, data_format=LAST),
        ]
    )
    assert models.data_format_of(model) == FIRST


def test_a_plan_and_an_explanation_know_it():
    model, x = small_network(), images(2)
    assert isi.logits(model).plan(x).data_format == LAST
    assert isi.explain(model, x).data_format == LAST
    turned = keras.Sequential([keras.Input((2, 6, 5)), layers.Permute((2, 3, 1)), model])
    x = np.moveaxis(x, -1, 1)
    assert isi.explain(turned, x, data_format=FIRST).data_format == FIRST
    with pytest.raises(ValueError, match=r"Unknown data_format: 'first'.*'channels_first'"):
        isi.explain(model, images(2), data_format="first")


def test_a_model_with_channels_first_while_keras_has_them_last():
    model = keras.Sequential(
        [
            keras.Input((2, 6, 5)),
            layers.ZeroPadding2D(data_format=FIRST),  # TensorFlow on CPU convolves none such
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    explanation = isi.explain(model, np.moveaxis(images(2), -1, 1), indicator="sensitivity")
    assert keras.config.image_data_format() == LAST
    assert explanation.data_format == FIRST
    result = isi.pixel_flipping(model, explanation, patch=2)
    assert len(result.flipped) == 1 + 3 * 3
