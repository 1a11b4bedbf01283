"""Why the attack of a sample ended."""

import enum


class Stop(enum.IntEnum):
    """Why the attack of a sample ended, as a number that fits into a tensor.

    `EMPTY` and `RUNNING` say that it has not; the others are the reasons. Results hold the `label`.
    """

    meaning: str

    def __new__(cls, code: int, meaning: str):  # noqa: D102
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    EMPTY = -1, "the slot holds no sample"
    RUNNING = 0, "the attack goes on"
    SUCCESS = 1, "the goal was reached"
    MAX_STEPS = 2, "all steps were used"
    NO_GRADIENT = 3, "no input has any influence on the goal"
    EXHAUSTED = 4, "every input that may be changed has been changed"
    INADMISSIBLE = 5, "no input or pair in the search domain is admissible"
    NO_CHANGE = 6, "the step could not move any input"
    ALREADY_TARGET = 7, "the clean input was already predicted as the target"
    MISCLASSIFIED = 8, "the clean input was already misclassified"
    NOT_FINITE = 9, "the model returned NaN or infinity"

    @property
    def label(self) -> str:
        """The word that results hold, as in `"max_steps"`."""
        return self.name.lower()

    @classmethod
    def of(cls, label: str) -> "Stop":
        """The member of a label.

        Raises:
            KeyError: if there is none.
        """
        return cls[str(label).upper()]
