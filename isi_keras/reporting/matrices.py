"""Pairs of classes: from what a sample was predicted as to what it was turned into."""

import numpy as np

from isi_keras.reporting.parts import Matrix, Words, share
from isi_keras.results import AttackResult, HardnessResult

SHOWN = 20
"""How many classes a matrix shows at most: those with most samples."""


def of_attack(result: AttackResult, words: Words) -> Matrix:
    """How many attacked samples ended in which class, by the class they were predicted as."""
    clean, final = result.clean_prediction[result.attacked], result.prediction[result.attacked]
    rows, columns = _frequent(clean), _frequent(np.concatenate([clean, final]))
    counts = np.zeros((len(rows), len(columns)), int)
    shown = np.isin(clean, rows) & np.isin(final, columns)
    places = np.searchsorted(rows, clean[shown]), np.searchsorted(columns, final[shown])
    np.add.at(counts, places, 1)
    totals = np.array([(clean == row).sum() for row in rows])
    notes = ["The diagonal holds the samples that stayed. Choose a pair to see its samples below."]
    if not shown.all():
        notes.append(
            f"Only the {SHOWN} most frequent classes are shown; {int((~shown).sum())} of "
            f"{len(clean)} attacked samples have another class."
        )
    return Matrix(
        title="From class to class",
        row_label="predicted before",
        column_label="predicted after",
        row_names=[words.of_class(number) for number in rows],
        column_names=[words.of_class(number) for number in columns],
        texts=[[str(count) if count else "" for count in row] for row in counts],
        shares=np.where(counts > 0, counts / np.maximum(totals, 1)[:, None], np.nan),
        rows=rows.tolist(),
        columns=columns.tolist(),
        notes=notes,
    )


def of_hardness(result: HardnessResult) -> Matrix:
    """The share of attempts that succeed, from each class to each other."""
    rates = result.success_rate()
    names = [str(name) for name in result.classes]
    kept = range(min(len(names), SHOWN))
    notes = ["The share of attempts that reached the target within the greatest budget."]
    if len(names) > SHOWN:
        notes.append(f"Only the first {SHOWN} of {len(names)} classes are shown.")
    return Matrix(
        title="Success rate from class to class",
        row_label="source",
        column_label="target",
        row_names=[names[number] for number in kept],
        column_names=[names[number] for number in kept],
        texts=[
            [share(rates[r, c]) if np.isfinite(rates[r, c]) else "" for c in kept] for r in kept
        ],
        shares=rates[: len(kept), : len(kept)],
        notes=notes,
    )


def _frequent(classes: np.ndarray) -> np.ndarray:
    found, counts = np.unique(classes, return_counts=True)
    return np.sort(found[np.argsort(-counts, kind="stable")[:SHOWN]])
