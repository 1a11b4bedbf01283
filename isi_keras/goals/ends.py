"""Which ends of a model leave open what is to change."""

from typing import Any


def expect_a_goal(planned, goal: Any) -> None:
    """Raises if the last layer leaves open what is to change, and nobody said so.

    Args:
        planned: the model.
        goal: what it would be otherwise.

    Raises:
        ValueError: if there are several sigmoids, or the outputs are taken as values.
    """
    name, units = planned.model.name, planned.graphs.units
    if planned.as_values:
        raise ValueError(
            f"The outputs of the model {name!r} are taken as values, of which the greatest is no "
            "prediction. Say what is to change: goal=isi_keras.goals.Above(value, output=k) or "
            f"Below. If they are scores of classes, say so by goal=isi_keras.goals.{goal!r}."
        )
    if units > 1 and planned.graphs.removed == {"Sigmoid"}:
        raise ValueError(
            f"The model {name!r} ends in {units} sigmoids: each is a label of its own, and the "
            "greatest of them is not a prediction. Say what is to change: goal=isi_keras.goals."
            "LabelOn(k), LabelOff(k) or LabelSet() for any change of the set. If they exclude each "
            f"other, so that they are classes, say so by goal=isi_keras.goals.{goal!r}."
        )


def expect_comparable(planned) -> None:
    """Raises if the greatest logit need not be that of the prediction.

    Args:
        planned: the model.

    Raises:
        ValueError: if several softmaxes, or a softmax and sigmoids, lie side by side.
    """
    if planned.graphs.grouped:
        raise ValueError(
            f"The outputs of the model {planned.model.name!r} are no single softmax but several "
            "groups side by side, and a logit of one says nothing beside those of another: whether "
            "a prediction has turned, or how probable it is, does not follow from them. Take a "
            "model with one of them as its output, keras.Model(model.inputs, head)."
        )
