"""The package against what the original code of 2020 made of the same weights and images."""

import numpy as np
import pytest

import isi_keras as isi

NORMS = {"l0": isi.L0(), "l2": isi.L2(features=20, step_size=0.1), "linf": isi.Linf(0.06)}
RUNS = [
    "untargeted_relevance_l0",
    "untargeted_sensitivity_l0",
    "untargeted_relevance_l2_n20_eps0.1",
    "untargeted_relevance_linf_eps0.06",
    *(f"target{t}_relevance_l0" for t in (0, 3, 8)),
    *(f"target{t}_sensitivity_l0" for t in (0, 3, 8)),
    *(f"target{t}_relevance_linf_eps0.06" for t in (0, 3, 8)),
]


def test_every_golden_run_is_tested(golden):
    assert {name for name in golden if name.startswith(("untargeted", "target"))} == set(RUNS)


@pytest.mark.parametrize("indicator", ["relevance", "sensitivity"])
def test_maps(golden, lenet, indicator):
    explanation = isi.explain(lenet, golden["x"], indicator=indicator)
    np.testing.assert_array_equal(explanation.prediction, golden["label"])
    greatest = np.abs(golden[indicator]).max()
    np.testing.assert_allclose(
        explanation.relevance, golden[indicator], rtol=0, atol=1e-5 * greatest
    )


@pytest.mark.parametrize("run", RUNS)
def test_adversarial_examples(golden, lenet, run):
    goal, indicator, norm = run.split("_")[:3]
    target = None if goal == "untargeted" else int(goal.removeprefix("target"))
    attack = isi.Attack(indicator, NORMS[norm], max_steps=30 if target is None else 40)
    result = attack(lenet, golden["x"], target=target, batch_size=64)
    difference = np.abs(result.adversarial - golden[run]).reshape(64, -1).max(1)
    different = np.flatnonzero(difference > 1e-5)
    assert len(different) <= 1, f"differ: {different}"
    for index in different:
        _assert_rounding_at_the_decision(lenet, golden, result, run, index)


def _assert_rounding_at_the_decision(lenet, golden, result, run, index):
    """Where the two part, a choice hung on rounding: a sign of almost nothing, or a near tie."""
    config = result.config["norm"]["class_name"]
    x, ours, theirs = golden["x"][index], result.adversarial[index], golden[run][index]
    apart = np.abs(ours - theirs) > 1e-5
    if config == "Linf":
        relevance = isi.explain(
            lenet, np.stack([x, ours, theirs]), target=int(golden["label"][index])
        ).relevance
        # A pixel went the other way: somewhere on its path its derivative was next to nothing.
        nearly_nothing = np.abs(relevance).min(0) < 1e-2 * np.abs(relevance).max()
        assert nearly_nothing[apart].mean() > 0.9
    else:
        # They agree up to a last choice: the smaller set of changes is part of the other.
        changed, wanted = ours != x, theirs != x
        assert (changed & ~wanted).sum() <= 1 or (wanted & ~changed).sum() <= 1
