"""Keras has no layer that is not known here: a new one fails a test, and not a user."""

import keras
import numpy as np
import pytest
from makers.every_layer import (
    BATCH,
    FUNCTIONS,
    PLACES,
    REASONS,
    class_of,
    classes,
    exported_functions,
    installed,
)

# What Keras gets wrong differs from backend to backend; what it has does not.
pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="is of TensorFlow"),
]


def test_each_class_has_a_place_or_a_reason():
    known = {class_of(key) for key in PLACES}
    assert set(classes()) - known - set(REASONS) == set()
    assert known & set(REASONS) == set()


def test_each_function_is_known():
    assert exported_functions() <= FUNCTIONS


@pytest.mark.parametrize("key", installed())
def test_models_run(key):
    place = installed()[key]
    y = keras.ops.convert_to_numpy(place.model()(place.inputs(), training=False))
    assert y.shape == (BATCH, 3)
    assert np.isfinite(y).all()
