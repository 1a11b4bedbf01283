"""A model as a planned function from inputs to logits: checked, compiled, never altered."""

from isi_keras.models.classifier import Classifier, logits, outputs
from isi_keras.models.data_format import data_format_of
from isi_keras.models.planned import Differentiable, Planned

__all__ = ["Classifier", "Differentiable", "Planned", "data_format_of", "logits", "outputs"]
