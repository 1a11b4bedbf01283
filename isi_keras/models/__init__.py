"""A model as a planned function from inputs to logits: checked, compiled, never altered."""

from isi_keras.models.classifier import Logits, Passes, Plan, logits

__all__ = ["Logits", "Passes", "Plan", "logits"]
