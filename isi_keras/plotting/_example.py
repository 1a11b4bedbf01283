"""Results made by hand, for the examples in the docstrings of plots."""

from typing import Any

import numpy as np

from isi_keras.results import AttackResult, Explanation, HardnessResult, RobustnessResult


def attack(count: int = 1, **fields: Any) -> AttackResult:
    """Images of 4 by 4, predicted as 0 and turned into 1 by raising the diagonal from 0 to 1.

    Args:
        count: how many samples.
        **fields: of the result, to be other than usual.
    """
    x, one = np.zeros((count, 4, 4, 1)), np.ones(count, "int64")
    order = np.tile(np.eye(4, dtype=int)[..., None], (count, 1, 1, 1))
    usual: dict[str, Any] = {
        "x": x,
        "adversarial": x + order,
        "clean_prediction": 0 * one,
        "prediction": one,
        "target": None,
        "y": None,
        "success": one == 1,
        "stop_reason": np.array(["success"] * count),
        "steps": one,
        "order": order,
        "forward": 2 * one,
        "backward": one,
        "seconds": 0.1,
        "config": {
            "class_name": "Attack",
            "config": {"bounds": (0, 1), "norm": {"class_name": "L0", "config": {}}},
        },
    }
    return AttackResult(**(usual | fields))


def explanation(**fields: Any) -> Explanation:
    """The map of one image of 4 by 4, predicted and explained as class 1."""
    image = np.eye(4)[None, ..., None]
    usual: dict[str, Any] = {
        "x": image,
        "relevance": image,
        "logits": np.array([[2.0, 11.3]]),
        "prediction": np.array([1]),
        "target": np.array([1]),
        "config": {"class_name": "Relevance", "config": {}},
    }
    return Explanation(**(usual | fields))


def sentence(**fields: Any) -> Explanation:
    """A text of three tokens and padding, predicted and explained as class 1."""
    usual: dict[str, Any] = {
        "x": np.array([[2, 3, 4, 0]]),
        "relevance": np.array([[0.0, 2.0, -1.0, 0.0]]),
        "tokens": np.array([["a", "fine", "film", ""]]),
    }
    return explanation(**(usual | fields))


def sweep() -> HardnessResult:
    """Two attempts between two classes, of which one succeeds."""
    return HardnessResult(
        classes=np.array(["cat", "dog"]),
        budgets=np.array([0.1, 0.2]),
        source=np.array([0, 1]),
        target=np.array([1, 0]),
        min_budget=np.array([0.05, np.inf]),
        distortion=np.array([0.05, 0.2]),
        distance=None,
        distance_single=None,
        seconds=1.0,
        config={"class_name": "hardness", "config": {"measure": "l0"}},
    )


def ensemble() -> RobustnessResult:
    """Two attacks on four samples: one fails once, the last sample is misclassified."""
    zero = np.zeros((4, 2), "int32")
    return RobustnessResult(
        x=np.zeros((4, 3), "float32"),
        adversarial=np.ones((4, 3), "float32"),
        y=np.array([0, 0, 0, 1]),
        clean_prediction=np.zeros(4, "int32"),
        distance=np.array([[1.0, 2.0], [3.0, 2.0], [np.inf, 3.0], [0.0, 0.0]]),
        success=np.array([[True, True], [True, True], [False, True], [False, False]]),
        stop_reason=np.array(
            [["success"] * 2, ["success"] * 2, ["max_steps", "success"], ["misclassified"] * 2]
        ),
        forward=zero + 2,
        backward=zero + 1,
        seconds=zero + 0.5,
        names=np.array(["relevance_l0", "jsma"]),
        config={"class_name": "robustness", "config": {"measure": "l0_feature", "attacks": {}}},
    )
