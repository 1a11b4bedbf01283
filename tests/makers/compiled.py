"""What was compiled for a model."""

from isi_keras.models import compiling


def compiled_of(model, attack):
    (run,) = [
        kept
        for key, (_, kept) in compiling._KEPT[model].items()
        if key[0] == attack._trace_key() and isinstance(kept, compiling.Compiled)
    ]
    return run
