"""What was compiled for a model."""

from isi_keras.models import compiling


def compiled_of(model, attack):
    (run,) = [
        run
        for key, (_, (_, run)) in compiling._KEPT[model].items()
        if key[: len(attack._trace_key())] == attack._trace_key()
    ]
    return run
