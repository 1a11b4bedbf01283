"""What surrounds each command: readable errors, and a backend that starts quietly."""

import contextlib
import importlib.util
import json
import logging
import os
import re
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from typer import Exit

from isi_keras.runs.errors import ShardsFailedError

BACKENDS = ("tensorflow", "jax", "torch")
INTERRUPTED = 130
_EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)

_KEPT = "With --out FOLDER/ what is done is kept, and the same command goes on."

_OPTIONS = {
    "bounds": "--bounds LOW HIGH",
    "from_logits": "--from-logits or --no-from-logits",
    "on_unknown": "--indicator sensitivity, which needs no rules",
}


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Turns an error of the library into one message on stderr and exit code 1, Ctrl-C into 130.

    Warnings of the library become notes on stderr; those of other packages are not shown. SIGTERM,
    by which schedulers end what runs, is taken as Ctrl-C is: no half of a file stays.
    """
    with warnings.catch_warnings(), _terminable():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning, module="isi_keras")
        warnings.showwarning = _note
        try:
            yield
        except BrokenPipeError:
            raise
        except KeyboardInterrupt as error:
            _say("Stopped", str(error) or f"Nothing is kept. {_KEPT}")
            raise Exit(INTERRUPTED) from error
        except (*_EXPECTED, ShardsFailedError) as error:
            _say("Error", _for_the_command_line(str(error) or type(error).__name__))
            raise Exit(1) from error


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM interrupts, unless somebody else decided what it does."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def start_backend() -> None:
    """Imports Keras on the backend that `KERAS_BACKEND` names, else on one that is installed.

    Raises:
        ValueError: if the backend is unknown or not installed, or another one runs already.
    """
    wanted = os.environ.get("KERAS_BACKEND")
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if wanted and wanted != running:
            raise ValueError(
                f"Keras already runs on {running!r} in this process. Received: {wanted!r}. Start a "
                "new process to change the backend."
            )
        return
    name = wanted or _default_backend()
    if name not in BACKENDS:
        from isi_keras._checks import unknown

        raise ValueError(unknown("backend", name, BACKENDS))
    if not _installed(name):
        found = [other for other in BACKENDS if _installed(other)]
        advice = f", or choose {' or '.join(found)} with --backend" if found else ""
        raise ValueError(
            f"The backend {name!r} is not installed. Install it: "
            f"pip install 'isi-keras[{name}]'{advice}."
        )
    os.environ["KERAS_BACKEND"] = name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _quiet():
        import keras  # noqa: F401


def _default_backend() -> str:
    """The backend Keras is set to if it is installed, else the first that is."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        configured = json.loads((Path(home) / "keras.json").read_text())["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        configured = BACKENDS[0]
    if not isinstance(configured, str) or _installed(configured):
        return str(configured)
    return next((name for name in BACKENDS if _installed(name)), BACKENDS[0])


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back what native code writes to stderr while it loads, unless loading fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _note(message, category, filename, lineno, file=None, line=None) -> None:
    _say("Note", _for_the_command_line(str(message)))


def _say(word: str, text: str) -> None:
    Console(stderr=True).print(
        f"{word}: {text}", markup=False, highlight=False, emoji=False, soft_wrap=True
    )


def _for_the_command_line(text: str) -> str:
    """The library's text, and the option that stands for an argument it names."""
    named = [option for name, option in _OPTIONS.items() if re.search(rf"\b{name}=", text)]
    return f"{text} (Here: {'; '.join(named)}.)" if named else text
