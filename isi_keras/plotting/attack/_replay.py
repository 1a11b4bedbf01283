"""The images between the original and the adversarial one, where a result determines them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isi_keras.results import AttackResult

ROUNDING = 1e-6  # of the width of the bounds: what float32 makes of it


def inputs(result: AttackResult, index: int) -> np.ndarray:
    r"""One sample before the attack and after each step, `(S + 1, ...)`.

    $$x^{(k)}_i = \begin{cases} x^{adv}_i & 1 \le order_i \le k \\ x_i & \text{otherwise}
    \end{cases}$$

    which is exact where no input was changed twice.

    Raises:
        ValueError: if the attack may have changed an input more than once.
    """
    expect_each_once(result)
    order = result.order[index]
    steps = np.arange(int(result.steps[index]) + 1).reshape(-1, *[1] * order.ndim)
    done = (order > 0) & (order <= steps)  # (S + 1, ...)
    return np.where(done, result.adversarial[index], result.x[index])


def expect_each_once(result: AttackResult) -> None:
    """Raises unless the attack changed each input at most once, by its configuration."""
    kind, config = _norm(result.config["config"])
    if kind == "L0":
        return
    if kind == "Salient":
        low, high = result.bounds
        full = float(config.get("step_size", 1.0)) >= np.max(high - low) * (1 - ROUNDING)
        if full or config.get("once", False):
            return
        raise ValueError(
            "The images between the steps are not known: with "
            f"step_size={config.get('step_size', 1.0):g} an input may have changed more than once. "
            "Attack with steps as wide as the bounds (JSMA: theta), or with once=True."
        )
    raise ValueError(
        "The images between the steps are known only where each input is changed once, under the "
        f"norm L0 or Salient. Received: a result of the norm {kind}. Draw it with "
        "plotting.trajectory or plotting.examples."
    )


def _norm(config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The norm of an attack and its configuration; that of a JSMA stands in its own fields."""
    if "theta" in config:
        return "Salient", {"step_size": abs(config["theta"]), "once": config.get("once", False)}
    norm = config.get("norm")
    if not isinstance(norm, Mapping):
        return "that its config does not name", {}
    return norm["class_name"], norm.get("config", {})
