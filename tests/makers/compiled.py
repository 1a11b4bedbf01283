"""What was compiled for a model: the step of an attack's first round."""

from isi_keras.models import compiling


def compiled_of(model, attack):
    ((run, *_),) = [
        runs
        for key, (_, (_, runs)) in compiling._KEPT[model].items()
        if key[: len(attack.trace_key())] == attack.trace_key()
    ]
    return run
