"""Relevance of models drawn at random, against the same in NumPy: see `makers/drawn.py`."""

import numpy as np
import pytest
from makers.drawn import Drawn

import isi_keras as isi

MANY = 6


@pytest.mark.parametrize("first", range(0, 60, MANY))
def test_models_drawn_at_random(first):
    for seed in range(first, first + MANY):
        check(Drawn(seed), f"seed {seed}")


def check(drawn, name):
    found = isi.explain(
        isi.logits(drawn.model, from_logits=True),
        drawn.x,
        target=1,
        indicator=drawn.composite,
        conservation=True,
    )
    for row, logits, relevance in zip(drawn.x, found.logits, found.relevance, strict=True):
        wanted_logits, wanted = drawn.explained(row, 1)
        np.testing.assert_allclose(logits, wanted_logits, rtol=1e-3, atol=1e-4, err_msg=name)
        greatest = np.abs(wanted).max()
        np.testing.assert_allclose(relevance, wanted, atol=2e-3 * greatest, err_msg=name)
    lost = np.abs(found.conservation["elsewhere"])
    size = np.abs(found.relevance).sum((1, 2, 3)) + np.abs(found.conservation["explained"])
    assert (lost < 1e-3 * size).all(), name
