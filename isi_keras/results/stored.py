"""What stands for results that lie on disk in parts."""

import abc
from typing import Any

from isi_keras.results.base import Result


class Stored(abc.ABC):
    """Base of what `evaluate` and the plots take in place of a record: a run, in its folder."""

    @abc.abstractmethod
    def result(self) -> Result:
        """The whole record, in memory."""

    def report(self, path: Any = None, **options: Any) -> Any:
        """The report of it alone, as `Result.report` makes it."""
        import isi_keras

        return isi_keras.report(self, path, **options)  # pyright: ignore[reportCallIssue]

    @abc.abstractmethod
    def measured(self) -> Any:
        """What `evaluate` needs of it: numbers of each sample, without the samples."""
