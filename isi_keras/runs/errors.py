"""What a run raises that is not a mistake of the call."""


class ShardsFailedError(RuntimeError):
    """Some shards failed; the others are kept, and the same call tries these again."""
