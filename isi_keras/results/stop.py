"""Why a sample of an attack ended."""

import enum


class Stop(enum.IntEnum):
    """Where a sample of an attack stands: in a slot while it runs, in a result once it has ended.

    A result holds the `label` of each, such as `"success"`.
    """

    meaning: str

    def __new__(cls, code: int, meaning: str):
        """A code and the sentence that explains it."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    EMPTY = -1, "no sample is in the slot"
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
        """The word for it in results, in small letters."""
        return self.name.lower()
