"""Nothing personal gets into Kafka in the clear, but for events that have to stay as they are."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from domain.log import LogRecord
from infrastructure.postgres.clear_events import Kept
from schemas.events import IN_THE_CLEAR

AskKept: TypeAlias = Callable[[int], Awaitable[Kept]]
"""Which events of a partition stay in the clear."""


class InTheClear(Exception):
    """A process of a version before has appended it, or the log was not migrated to its end."""

    def __init__(self, record: LogRecord) -> None:
        super().__init__(
            f"event {record.partition}:{record.seq} names somebody in the clear, and Kafka would keep it so: run "
            "`stenolog migrate`, which seals it, and end processes of a version before"
        )


async def kept_none(_partition: int) -> Kept:
    """Of a log in which nothing is in the clear."""
    return Kept()


async def require_sealed(records: Sequence[LogRecord], ask: AskKept) -> None:
    """Of records of one partition. Raises InTheClear."""
    clear = [each for each in records if (each.type, each.schema_version) in IN_THE_CLEAR]
    if not clear:
        return
    kept = await ask(clear[0].partition)
    for each in clear:
        if not kept.has(each.seq):
            raise InTheClear(each)
