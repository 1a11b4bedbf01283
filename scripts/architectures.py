"""Which models relevance is right for: writes the table that `docs/architectures.md` includes.

Each model is small, has seeded weights and is built in `tests/makers/`; those of keras.applications
see images of 224 pixels a side. Run it once with each backend:

    KERAS_BACKEND=jax python scripts/architectures.py [--only NAME ...] [--quick] [--missing]

Or run the backends apart, each into a part of its own, and merge the parts:

    KERAS_BACKEND=jax python scripts/architectures.py --json results/jax.json
    python scripts/architectures.py --merge results/jax.json results/torch.json
"""

import argparse
import gc
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[1]
NUMBERS = ROOT / "figures" / "relevance" / "architectures.json"
TABLE = ROOT / "figures" / "relevance" / "architectures.md"
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "Torch"}
ROUNDS, TOLERANCE = 5, 1e-3
TOGETHER, PATIENCE = 20, 1800  # rows in one process; seconds for one row
KINDS = ("keras.applications", "KerasHub", "recurrent", "custom")
MARK = "@row "
WHERE = {"model": "The model itself fails: ", "time": "No ratio, since the gradient fails: "}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", help="names of models, or of kinds of models")
    parser.add_argument("--quick", action="store_true", help="small models only, without timing")
    parser.add_argument("--missing", action="store_true", help="only rows without numbers yet")
    parser.add_argument("--json", type=Path, help="write the numbers of this backend there")
    parser.add_argument("--merge", nargs="+", type=Path, help="files of --json; nothing is run")
    parser.add_argument("--rows", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    if options.rows:
        return work(options.rows, options.quick)
    if options.merge:
        for path in options.merge:
            keep(read(path), NUMBERS)
        TABLE.write_text(table(read(NUMBERS)) + "\n")
        return None
    import keras

    backend, path = keras.config.backend(), options.json or NUMBERS
    wanted = chosen(options)
    if options.missing:
        there = read(path).get(backend, {"rows": {}})["rows"]
        wanted = [(kind, name) for kind, name in wanted if name not in there.get(kind, ())]
    elif not options.only and not options.quick:
        forget(backend, path)
    for kind, name, found in measured(wanted, options.quick):
        print(f"{kind}: {name}: {found.get('refused') or cell(found)}", flush=True)
        part = {backend: {"versions": versions(), "rows": {kind: {name: found}}}}
        keep(part, path)
    if not options.json:
        TABLE.write_text(table(read(NUMBERS)) + "\n")
    return None


# What is run.


def chosen(options) -> list[tuple[str, str]]:
    """The rows that are asked for, as their kind and their name."""
    from makers.rows import APPLICATIONS, rows

    every = [(kind, name) for kind, names in rows().items() for name in names]
    if options.only:
        unknown = set(options.only) - {word for key in every for word in key}
        if unknown:
            sys.exit(f"No model and no kind has the name {', '.join(map(repr, sorted(unknown)))}.")
        return [key for key in every if set(key) & set(options.only)]
    return [key for key in every if not (options.quick and key[0] == APPLICATIONS)]


def measured(wanted, quick: bool):
    """Yields kind, name and numbers of each row, from processes that run a few rows each.

    A process that dies or takes too long costs the row it was at, no other.
    """
    from makers.rows import APPLICATIONS

    pending = list(wanted)
    while pending:
        large = pending[0][0] == APPLICATIONS
        batch = [key for key in pending if (key[0] == APPLICATIONS) == large]
        command = [sys.executable, __file__, *(["--quick"] if quick else []), "--rows"]
        command += ["/".join(key) for key in batch[: 1 if large else TOGETHER]]
        current = batch[0]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            clock = deadline(process)
            for line in process.stdout:
                if not line.startswith(MARK):
                    continue
                clock.cancel()
                clock = deadline(process)
                word = json.loads(line.removeprefix(MARK))
                current = (word["kind"], word["name"])
                if "found" in word:
                    pending.remove(current)
                    yield *current, word["found"]
            clock.cancel()
        if process.returncode and current in pending:
            reason = f"The process ended with code {process.returncode} within {PATIENCE} s."
            pending.remove(current)
            yield *current, {"refused": reason, "stage": "process"}


def deadline(process) -> threading.Timer:
    """Ends a process in due time, unless cancelled before."""
    clock = threading.Timer(PATIENCE, process.kill)
    clock.daemon = True
    clock.start()
    return clock


def work(names, quick: bool):
    """Runs rows one after the other and prints what was found."""
    import keras
    from makers.rows import row, rows

    every = rows()
    for entry in names:
        kind, _, name = entry.partition("/")
        say = {"kind": kind, "name": name}
        print(MARK + json.dumps(say), flush=True)
        found = row(every[kind][name], 0 if quick else ROUNDS)
        print(MARK + json.dumps({**say, "found": found}), flush=True)
        keras.utils.clear_session()
        gc.collect()


# What is kept.


def versions() -> dict[str, str]:
    import keras

    found = {"keras": keras.__version__}
    found[keras.config.backend()] = __import__(keras.config.backend()).__version__
    if importlib.util.find_spec("keras_hub"):
        found["keras-hub"] = importlib.metadata.version("keras-hub")
    return found


def read(path: Path) -> dict:
    return json.loads(path.read_text()) if path.exists() else {}


def forget(backend: str, path: Path):
    """Drops a backend's rows, so that none stays whose model is no more."""
    numbers = read(path)
    if numbers.pop(backend, None):
        path.write_text(json.dumps(numbers) + "\n")


def keep(part: dict, path: Path):
    """Adds a backend's rows to those in a file."""
    numbers = read(path)
    for backend, found in part.items():
        before = numbers.setdefault(backend, {"rows": {}})
        before["versions"] = found["versions"]
        for kind, named in found["rows"].items():
            before["rows"].setdefault(kind, {}).update(named)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(numbers, indent=1, ensure_ascii=False) + "\n")
    os.replace(fresh, path)


# What is shown.


def table(numbers) -> str:
    """The table in Markdown, a count for each backend before it and the reasons after it."""
    every = {kind: {} for kind in KINDS}
    for found in numbers.values():
        for kind, named in found["rows"].items():
            every[kind].update(dict.fromkeys(named))
    shown = [backend for backend in BACKENDS if backend in numbers]
    reasons, lines = [], []
    for kind, named in every.items():
        for name in named:
            found = {b: numbers[b]["rows"].get(kind, {}).get(name) for b in shown}
            inputs = next((f["inputs"] for f in found.values() if f and "inputs" in f), "")
            cells = [cell(found[backend], reasons) for backend in shown]
            lines.append("| " + " | ".join([kind, name, inputs, *cells]) + " |")
    head = "| kind | model | input | " + " | ".join(BACKENDS[b] for b in shown) + " |"
    why = [f"{number}. `{reason}`" for number, reason in enumerate(reasons, 1)]
    parts = [
        counts(numbers, shown),
        "\n".join([head, "|---|---|---|" + "---|" * len(shown), *lines]),
    ]
    return "\n\n".join(parts + (["Why not:", "\n".join(why)] if why else []))


def cell(found: dict | None, reasons: list | None = None) -> str:
    """Logits, `elsewhere` and time of one model on one backend."""
    if found is None:
        return ""
    reasons = [] if reasons is None else reasons
    parts = [_number(found[key]) for key in ("logits", "elsewhere") if key in found]
    if not found.get("finite", True):
        parts.append("**not finite**")
    if "ratio" in found:
        parts.append(f"{found['ratio']:.1f}")
    if "refused" in found:
        reason = WHERE.get(found["stage"], "") + found["refused"].replace("`", "'")
        if reason not in reasons:
            reasons.append(reason)
        parts.append(f"no ({reasons.index(reason) + 1})")
    return " · ".join(parts)


def _number(value: float) -> str:
    return f"{value:.0e}" if value < TOLERANCE else f"**{value:.0e}**"


def counts(numbers, shown) -> str:
    """How many models are right, refused and wrong on each backend."""
    said = []
    for backend in shown:
        found = [f for named in numbers[backend]["rows"].values() for f in named.values()]
        refused = sum("logits" not in f for f in found)
        right = sum(_right(f) for f in found)
        said.append(
            f"{BACKENDS[backend]}: of {len(found)} models {right} are right, {refused} are "
            f"refused, {len(found) - right - refused} are beyond {TOLERANCE:g}"
        )
    used = {name: v for b in shown for name, v in numbers[b]["versions"].items()}
    return ". ".join(said) + ". Run with " + ", ".join(f"{n} {v}" for n, v in used.items()) + "."


def _right(found) -> bool:
    close = (found.get(key, 1) < TOLERANCE for key in ("logits", "elsewhere"))
    return all(close) and found["finite"]


if __name__ == "__main__":
    main()
