"""How far a run is, as it is printed."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Status:
    """How far a run is. Print it to read it.

    Args:
        shards: how many shards there are; `None` while a stream has not ended.
        done: how many of them are done.
        samples: how many samples there are; `None` likewise.
        samples_done: how many of them are done.
        failed: by the number of a shard why it failed.
        seconds: what the shards took together.
        versions: what computed them, each differing set of versions once.
    """

    shards: int | None
    done: int
    samples: int | None
    samples_done: int
    failed: dict[int, str]
    seconds: float
    versions: tuple[Mapping[str, str], ...]

    @property
    def finished(self) -> bool:
        """Whether every shard is done."""
        return self.done == self.shards

    def __str__(self) -> str:
        of = "an unknown number of" if self.shards is None else f"{self.shards}"
        samples = "" if self.samples is None else f" of {self.samples:,}"
        lines = [
            f"{self.done} of {of} shards done, {self.samples_done:,}{samples} samples, "
            f"{self.seconds:.1f} s of work"
        ]
        lines += [f"shard {number} failed: {why}" for number, why in self.failed.items()]
        if len(self.versions) > 1:
            lines.append("shards were computed by different versions:")
            lines += [", ".join(f"{n} {v}" for n, v in each.items()) for each in self.versions]
        return "\n".join(lines)
