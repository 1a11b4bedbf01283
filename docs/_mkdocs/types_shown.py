"""The types that the reference shows where the code says `Any`.

Keras' tensors, and what is converted on the way in, have no type that a checker knows;
a reader wants one all the same. A more precise type in the code wins. What is still
`Any` on a page of the reference is a warning, which ends a strict build.
"""

import logging
import re

LOG = logging.getLogger("mkdocs.hooks.types_shown")
WRAPPED = re.compile(r"^(?:Shared|Rows)\[(.*)\]$")
INDICES = "Sequence[int] | np.ndarray | None"
BOUNDS = "tuple[ArrayLike, ArrayLike] | Domain"
ONE_OR_EACH = "int | np.ndarray"
TENSOR = "Tensor"
TOKENS = "Sequence[str] | Sequence[Sequence[str]] | Callable | Mapping | None"

OF_NAME = {
    "attack": "BaseAttack | str",
    "bounds": BOUNDS,
    "first_index": ONE_OR_EACH,
    "goal": "Goal | None",
    "indicator": "Indicator | str",
    "indices": INDICES,
    "leave": "int | Sequence[int] | None",
    "margin": "Tensor | None",
    "moving": "str | Sequence[str] | None",
    "budget": "float | np.ndarray",
    "path": "str | os.PathLike",
    "tokens": TOKENS,
}
"""Of every parameter of a name."""

OF_MEMBER = {
    "Above.value": "float | np.ndarray",
    "AnyOf.classes": "Sequence[int]",
    "Aim.classes": TENSOR,
    "Among.classes": TENSOR,
    "Asked.classes": TENSOR,
    "Attack.norm": "Norm | str",
    "Attack.scale": "str | ArrayLike | None",
    "Below.value": "float | np.ndarray",
    "Composite.first": "Rule | str | None",
    "Composite.names": "Mapping[str, Rule | str] | Sequence[tuple[str, Rule | str]]",
    "Composite.rules": "Rule | str | Mapping[str | type, Rule | str]",
    "Contrast.classes": TENSOR,
    "Contrast.others": "Tensor | None",
    "Domain.direction": "ArrayLike | Mapping[str, int] | None",
    "Domain.groups": "Sequence[Sequence[int | str]]",
    "Domain.high": "ArrayLike | Mapping[str, float]",
    "Domain.integer": "ArrayLike | Sequence[str] | Mapping[str, bool]",
    "Domain.low": "ArrayLike | Mapping[str, float]",
    "Domain.mutable": "ArrayLike | Sequence[str] | Mapping[str, bool] | None",
    "Domain.names": "Sequence[str]",
    "Domain.step": "ArrayLike | Mapping[str, float] | None",
    "Explanation.relevance": "np.ndarray | dict[str, np.ndarray]",
    "Explanation.tokens": "np.ndarray | dict[str, np.ndarray] | None",
    "Explanation.x": "np.ndarray | dict[str, np.ndarray]",
    "ExplanationLogger.indicator": "Indicator | str",
    "Goal.margin": "float",
    "IntegratedGradients.baseline": "ArrayLike",
    "JSMA.scale": "str | ArrayLike | None",
    "LabelOff.label": ONE_OR_EACH,
    "LabelOn.label": ONE_OR_EACH,
    "LabelSet.labels": "ArrayLike | None",
    "Leaving.classes": TENSOR,
    "Move.order": TENSOR,
    "Move.x": TENSOR,
    "NoneOf.classes": "Sequence[int]",
    "Reaching.classes": TENSOR,
    "Relevance.rule": "Rule | Composite | str",
    "RobustnessMonitor.attack": "BaseAttack | str",
    "Significance.direction": TENSOR,
    "Significance.score": TENSOR,
    "Target.classes": ONE_OR_EACH,
    "ZBox.high": "ArrayLike",
    "ZBox.low": "ArrayLike",
    "advanced.moved": "Tensor",
    "adversarial_distance.bounds": "Domain | None",
    "adversarial_distance.indicator": "JacobianSaliency | str",
    "dask.tasks": "Iterable[tuple[int, object]]",
    "distances.x": "np.ndarray",
    "epsilon_gamma_box.high": "ArrayLike",
    "epsilon_gamma_box.low": "ArrayLike",
    "hardness.attack": "BaseAttack | str | None",
    "evaluate.result": "AttackResult | RobustnessResult | Run",
    "from_data.options": "ArrayLike | Mapping | Sequence",
    "from_data.x": "ArrayLike | pandas.DataFrame",
    "heatmaps.bounds": "tuple[ArrayLike, ArrayLike] | None",
    "indicators.bounds": "tuple[ArrayLike, ArrayLike] | None",
    "matrix.values": "ArrayLike",
    "check.x": "np.ndarray",
    "move.significance": "Significance",
    "of.source": "np.ndarray | tuple | str | os.PathLike | Iterable | Callable",
    "of.y": "np.ndarray | str | None",
    "parameter_randomisation.target": "int | np.ndarray | None",
    "pixel_flipping.baseline": "ArrayLike",
    "pixel_flipping.steps": "int | Sequence[int]",
    "processes.tasks": "Iterable[tuple[int, object]]",
    "predict.x": "np.ndarray | Mapping[str, np.ndarray]",
    "ray.tasks": "Iterable[tuple[int, object]]",
    "report.options": "object",
    "report.results": "Result | Run | Sequence[Result | Run] | Mapping[str, Result | Run]",
    "robustness.attacks": "BaseAttack | str | Sequence[BaseAttack | str] | Mapping | None",
    "robustness.bounds": "tuple[ArrayLike, ArrayLike] | Domain | None",
    "rows.index": "int | slice | Sequence[int] | np.ndarray",
    "rule.layer": "keras.Layer | None",
    "rule.within": "Sequence[keras.Layer]",
    "run.engine": "str | Callable | None",
    "run.method": "BaseAttack | Indicator | Callable",
    "run.model": "keras.Model | str | Callable",
    "run.out": "str | os.PathLike",
    "run.source": "np.ndarray | tuple | str | os.PathLike | Iterable | Callable | None",
    "run.target": "int | np.ndarray | None",
    "run.y": "np.ndarray | str | None",
    "text.explanation": "Explanation",
    "text_html.explanation": "Explanation",
    "violations.adversarial": "np.ndarray",
    "violations.x": "np.ndarray",
    "wilson.share": "float | np.ndarray",
}
"""Of one parameter, or field, of a function or class."""


def shown(owner: str, name: str, annotation: str) -> str | None:
    """What stands in place of an annotation; `None` if it is to stay."""
    inner = WRAPPED.sub(r"\1", annotation)
    if not re.search(r"\bAny\b", inner) or "Mapping[str, Any]" in inner:
        return inner if inner != annotation else None
    return OF_MEMBER.get(f"{owner}.{name}") or OF_NAME.get(name) or None


RETURNED = {
    "Report.to_frame": "pandas.DataFrame",
    "Result.report": "Page",
    "RobustnessResult.interval": "tuple[np.ndarray, np.ndarray]",
    "RobustnessResult.optimality": "float | np.ndarray",
    "RobustnessResult.robust_accuracy": "float | np.ndarray",
    "Rule.parts": "list[tuple[float | Tensor, Tensor]]",
    "Run.table": "pandas.DataFrame | dict[str, np.ndarray]",
    "evaluate": "Report | RobustnessReport",
    "wilson": "tuple[np.ndarray, np.ndarray]",
}
"""What a function, or a method of a class, returns."""


def on_page_content(html, page, **_):
    """Warns of a parameter on a page of the reference whose type is not told."""
    if page.file.src_uri.startswith("reference/"):
        bare = re.findall(r"<code>([^<]+)</code></b>\s*\(<code><span title=\"typing.Any\">", html)
        if bare:
            LOG.warning(f"{page.file.src_uri}: no type is told of {', '.join(sorted(set(bare)))}")
    return html
