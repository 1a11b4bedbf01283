"""Views: what a goal asks of the logits, as the logits of two classes."""

import dataclasses
from typing import Any

from keras import ops


@dataclasses.dataclass(frozen=True)
class OneOutput:
    """A view: one output of a model and a value, as the logits of two classes.

    $(v - z, z - v)$: the second class is predicted where the output $z$ is above the value $v$. So
    a sigmoid unit is seen everywhere, with $v = 0$.
    """

    def __call__(self, logits, numbers) -> Any:
        """The two logits, `(N, 2)`.

        Args:
            logits: of the model, `(N, K)`.
            numbers: `"output"`, which of them each sample is about, `(N,)` int32, and `"value"`,
                `(N,)` float32.
        """
        chosen = ops.take_along_axis(logits, numbers["output"][:, None], axis=-1)[:, 0]
        above = chosen - numbers["value"]
        return ops.stack([-above, above], axis=-1)


@dataclasses.dataclass(frozen=True)
class SetOfLabels:
    r"""A view: whether a set of labels is reached, or left, as the logits of two classes.

    $(-z, z)$ with $s_k = \pm z_k$, positive where label $k$ is as the set has it. To leave it,
    $z = \max_k -s_k$. To reach it, $z = \sum_k \min(s_k, 0)$ over the labels that are not as
    wanted, and $z = \min_k s_k$ once all are.

    Args:
        leaves: whether the set is to be left.
    """

    leaves: bool

    def __call__(self, logits, numbers) -> Any:
        """The two logits, `(N, 2)`.

        Args:
            logits: of the model, `(N, K)`.
            numbers: `"wanted"`, +1 for a label of the set, -1 for one that is not, 0 for one that
                does not matter, `(N, K)` float32.
        """
        wanted = numbers["wanted"]
        right = wanted * logits
        if self.leaves:
            z = ops.max(-right, axis=-1)
        else:
            least = ops.min(ops.where(wanted == 0, float("inf"), right), axis=-1)
            missing = ops.sum(ops.minimum(right, 0.0), axis=-1)
            z = ops.where(least > 0, least, missing)
        return ops.stack([-z, z], axis=-1)
