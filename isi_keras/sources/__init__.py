"""Where samples come from: rows by number, or batches in order; what `fit` and `predict` take.

Nothing here needs a backend, or imports one that is not there already.
"""

from isi_keras.sources.any import SUFFIXES, of, of_spec
from isi_keras.sources.rows import Arrays, Rows
from isi_keras.sources.streams import Stream, is_stream

__all__ = ["SUFFIXES", "Arrays", "Rows", "Stream", "is_stream", "of", "of_spec"]
