"""Curves of a robust evaluation: what is drawn, from numbers made by hand."""

import numpy as np
import pytest
from makers.figures import drawn
from makers.results import made_by, make_ensemble

from isi_keras import plotting


def entries(ax):
    return [text.get_text() for text in ax.get_legend().texts]


def test_each_attack_and_the_best_of_all():
    record = make_ensemble()
    ax = plotting.robustness(record)
    drawn(ax.figure)
    assert entries(ax) == ["relevance_l0: 0.50", "jsma: 0.83", "best of all on each sample: 1"]
    for line, name in zip(ax.lines, ["relevance_l0", "jsma", None], strict=True):
        places, shares = record.curve(name)
        np.testing.assert_array_equal(line.get_xdata(), [*places, 5])
        np.testing.assert_allclose(line.get_ydata(), 100 * np.append(shares, shares[-1]))
        assert line.get_drawstyle() == "steps-post"
    (band,) = ax.collections
    low, high = record.interval(np.append(record.curve()[0], 5.0))
    heights = band.get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([heights.min(), heights.max()], [100 * low.min(), 100 * high.max()])
    assert ax.get_xlabel() == "inputs changed, at most"
    assert ax.get_ylabel() == "robust accuracy, at most (%)\nof 6 samples"


def test_several_results_by_their_best():
    one, other = make_ensemble(), make_ensemble(samples=3)
    ax = plotting.robustness({"plain": one, "trained": other})
    drawn(ax.figure)
    assert entries(ax) == ["plain: 2", "trained: 2"]
    assert len(ax.lines) == len(ax.collections) == 2
    assert ax.get_ylabel().endswith("of 4 to 6 samples")
    far = make_ensemble(config=made_by("robustness", measure="l2", attacks={}))
    with pytest.raises(ValueError, match=r"one measure.*Received: l0_feature, l2"):
        plotting.robustness({"plain": one, "far": far})
    with pytest.raises(TypeError, match="a mapping from labels to RobustnessResult"):
        plotting.robustness({"plain": 3})
