"""A sample between the steps of an attack, where a result knows it."""

import numpy as np

from isi_keras.plotting import checks, measures
from isi_keras.results import AttackResult

ROUNDING = 1e-6  # of the width of the bounds: what float32 makes of it


def inputs_of(result: AttackResult, index: int) -> np.ndarray:
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
    settings = checks.settings(result)
    if "theta" in settings:  # a JSMA
        settings = {"step_size": abs(settings["theta"]), **settings}
        kind = "Salient"
    else:
        kind, settings = measures.norm_of(result)
    if kind == "L0":
        return
    if kind == "Salient":
        low, high = (0.0, 1.0) if settings["relative"] else result.bounds
        full = float(settings["step_size"]) >= np.max(high - low) * (1 - ROUNDING)
        if full or settings["once"]:
            return
        raise ValueError(
            "The images between the steps are not known: with "
            f"step_size={settings['step_size']:g} an input may have changed more than once. "
            "Attack with steps as wide as the bounds (JSMA: theta), or with once=True."
        )
    maker = result.config.get("class_name", "an attack")
    of = f"{maker} under {kind}" if kind else f"{maker}, which may take changes back"
    raise ValueError(
        "The images between the steps are known only where each input is changed once, as `Attack` "
        f"does under L0 and Salient, and JSMA. Received: a result of {of}. Draw it with "
        "plotting.examples or plotting.changes; if it was attacked with trajectory=True, with "
        "plotting.trajectory."
    )
