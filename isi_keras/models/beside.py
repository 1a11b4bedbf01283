"""What each sample has beside the input that moves: inputs that are held, numbers of a goal.

Neither plans nor indicators know of it: whoever runs a step says what belongs to its samples, and
the planned function of the model, deep inside, asks.
"""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from typing import Any

_BESIDE: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("beside")


@contextlib.contextmanager
def beside(given: Any) -> Iterator[None]:
    """Says what the samples have that are computed within, in the rows of their batch.

    Args:
        given: by name structures of arrays or tensors of as many rows as the batch; `()` for
            nothing.
    """
    token = _BESIDE.set(given or {})
    try:
        yield
    finally:
        _BESIDE.reset(token)


def of_samples(name: str) -> Any:
    """What the samples have of a name.

    Raises:
        RuntimeError: if nobody said so.
    """
    known = _BESIDE.get({})
    if name not in known:
        raise RuntimeError(
            f"It is not known what the samples have of {name!r}. Run the model within "
            "models.beside.beside(samples.beside)."
        )
    return known[name]
