"""Keras has no layer that is not known here: a new one fails a test, and not a user."""

import keras
import pytest
from makers.every_layer import (
    FUNCTIONS,
    PLACES,
    REASONS,
    class_of,
    classes,
    exported_functions,
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
