"""A robust evaluation by numbers: curves, intervals and optimality against oracles in NumPy."""

import numpy as np
import pytest
from makers.results import make_ensemble
from scipy import stats

import isi_keras as isi


def drawn(seed, samples=40, attacks=3):
    """Distances at random, some infinite, some samples misclassified."""
    rng = np.random.default_rng(seed)
    distance = rng.integers(1, 20, (samples, attacks)).astype("float64")
    distance[rng.uniform(size=distance.shape) < 0.3] = np.inf
    y = rng.integers(0, 2, samples)
    distance[y == 1] = 0
    return make_ensemble(
        x=np.zeros((samples, 4), "float32"), adversarial=np.ones((samples, 4), "float32"), y=y,
        clean_prediction=np.zeros(samples, int), distance=distance,
        success=np.isfinite(distance) & (distance > 0),
        stop_reason=np.full(distance.shape, "success"),
        **{name: np.ones(distance.shape) for name in ("forward", "backward", "seconds")},
        names=np.array(["a", "b", "c"]),
    )  # fmt: skip


def area(record, attack, end, steps=4000):
    """Between clean accuracy and a curve up to a distance, on a fine grid."""
    middles = (np.arange(steps) + 0.5) * end / steps
    clean = record.right.mean()
    return np.mean(clean - np.array([robust(record, attack, d) for d in middles])) * end


def robust(record, attack, distance):
    kept = 0
    for right, row in zip(record.right, record.distance, strict=True):
        lost = row.min() if attack is None else row[record.names.tolist().index(attack)]
        kept += bool(right) and lost > distance
    return kept / len(record)


@pytest.mark.parametrize("seed", range(3))
def test_curves_and_optimality(seed):
    record = drawn(seed)
    finite = record.least[np.isfinite(record.least)]
    end = finite.max()
    whole = area(record, None, end)
    for name, found in zip("abc", record.optimality(), strict=True):
        assert found == pytest.approx(area(record, name, end) / whole, abs=2e-3)
        assert found == record.optimality(name)
        assert 0 <= found <= 1
    for name in (None, *"abc"):
        places, shares = record.curve(name)
        wanted = [robust(record, name, place) for place in places]
        np.testing.assert_allclose(shares, wanted)
        assert places[0] == 0
        assert shares[0] == record.right.mean()
        assert record.robust_accuracy(attack=name) == shares[-1]


def test_an_attack_that_is_nowhere_beaten_is_optimal():
    record = drawn(0)
    best = record.distance.copy()
    best[:, 1] = record.least
    record = make_ensemble(**{**vars(record), "distance": best})
    assert record.optimality("b") == 1
    assert isi.evaluate(record).attacks["b"].nearest <= (record.nearest >= 0).sum()


def test_intervals_are_those_of_scipy():
    record = drawn(1)
    budgets = np.array([0.0, 3.0, 10.0, np.inf])
    low, high = record.interval(budgets, confidence=0.9)
    for budget, one, other in zip(budgets, low, high, strict=True):
        kept = round(record.robust_accuracy(budget) * len(record))
        wanted = stats.binomtest(kept, len(record)).proportion_ci(0.9, "wilson")
        np.testing.assert_allclose([one, other], wanted, atol=1e-12)
    np.testing.assert_allclose(record.interval(3.0, confidence=0.9), [low[1], high[1]])
    with pytest.raises(ValueError, match=r"between 0 and 1. Received: confidence=95"):
        record.interval(confidence=95)


def test_the_report_names_each_attack():
    record = make_ensemble()
    report = isi.evaluate(record)
    assert record.nearest.tolist() == [1, 0, 0, 1, 1, -1]
    assert record.least.tolist() == [5, 2, 3, 2, 1, 0]
    assert report.clean_accuracy == pytest.approx(5 / 6)
    assert [level.distance for level in report.levels] == [0, 1, 2, 3, 5, np.inf]
    np.testing.assert_allclose(
        [level.robust_accuracy for level in report.levels], np.array([5, 4, 2, 1, 0, 0]) / 6
    )
    line = report.attacks["relevance_l0"]
    assert (line.success_rate, line.nearest, line.mean, line.median) == (0.8, 2, 3.5, 4)
    assert line.robust_accuracy == pytest.approx(1 / 6)
    assert line.optimality == pytest.approx((3 + 2 + 1 + 0) / (3 + 2 + 3 + 4))
    assert line.passes == 5
    everything = report.attacks["best of all"]
    assert (everything.success_rate, everything.nearest, everything.optimality) == (1, 5, 1)
    assert (everything.mean, everything.median, everything.passes) == (2.6, 2, 10)
    assert everything.seconds == pytest.approx(1.2)
    text = str(report)
    assert "robust accuracy 0.00% of 6 samples, clean accuracy 83.33%" in text
    assert "an upper bound by 2 attacks" in text
    for name in ("relevance_l0", "jsma", "best of all"):
        assert sum(line.startswith(name) for line in text.splitlines()) == 1
    with pytest.raises(ValueError, match=r"has its distances. Leave data_format out"):
        isi.evaluate(record, data_format="channels_last")
    with pytest.raises(ValueError, match=r"Unknown attack: 'jsmaa'. Did you mean 'jsma'"):
        record.distances("jsmaa")


def test_nothing_and_nothing_right():
    none = make_ensemble()[[]]
    assert np.isnan(none.robust_accuracy())
    assert "nan% of 0 samples" in str(isi.evaluate(none))
    wrong = make_ensemble()[[5]]
    assert wrong.robust_accuracy(0) == 0
    assert np.isnan(wrong.optimality()).all()
    assert np.isnan(isi.evaluate(wrong).attacks["best of all"].median)
