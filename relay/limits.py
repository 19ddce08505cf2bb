"""How much a relay does at once, how often it looks, and how long it waits."""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    records_max: int = 2_000
    """Of one partition in one transaction."""
    bytes_max: int = 4 << 20
    """Of the events' data in one transaction; one event of each partition is always let through."""
    poll_seconds: float = 2.0
    """How long an append may go unnoticed when its notification is lost."""
    check_seconds: float = 5.0
    """How often an idle relay looks whether Kafka still has what it had; at the log it looks at each turn."""
    checkpoint_seconds: float = 5.0
    """How old a checkpoint gets while there are newer events; it counts only where those cannot be read."""
    settle_seconds: float = 2.0
    """How long Kafka may take to make up its mind about the transactions of a relay that died."""
    backoff_seconds: float = 0.1
    backoff_seconds_max: float = 5.0

    def pause_seconds(self, failures: int) -> float:
        return min(self.backoff_seconds * 2.0 ** min(failures, 10), self.backoff_seconds_max)
