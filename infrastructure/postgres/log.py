"""The readers' view of the log: partitions in order, and a bell when something was appended."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import asyncpg

from domain.log import LogRecord
from infrastructure.postgres.appending import CHANNEL
from infrastructure.postgres.detached import detached_told
from infrastructure.postgres.listener import Listener
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried
from infrastructure.wake_up import WakeUps

DEADLINE_SECONDS: Final = 10.0
READ_BYTES_MAX: Final = 16 << 20
READ_EACH_BYTES_MAX: Final = 8 << 20
"""More than the relay sends at once, so that whoever sends all that was read knows that there is no more."""

_SQL: Final = load_queries(Path(__file__).parent / "log.sql")


class PostgresEventLog:
    """An EventLog. Enter it before use; it takes one connection of the pool for itself, to listen on.

    `read`, `read_each` and `head` need neither.

    Every method raises DatabaseUnavailable when the database gave no answer by the deadline, and those that read a
    partition that is detached PartitionDetached.
    """

    def __init__(
        self, pool: Pool, partition_count: int, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._pool = pool
        self._partition_count = partition_count
        self._deadline_seconds = deadline_seconds
        self._appended = WakeUps()
        # Something may have been appended while nobody listened, so listening anew rings everywhere.
        self._listener = Listener(pool, CHANNEL, self._ring, self._ring)

    async def __aenter__(self) -> Self:
        """Raises PartitionCountMismatch or DatabaseNotMigrated."""
        await claim_partition_count(self._pool, self._partition_count)
        await self._listener.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listener.__aexit__(kind, problem, trace)

    @property
    def partition_count(self) -> int:
        return self._partition_count

    async def read(self, partition: int, after_seq: int, limit: int) -> Sequence[LogRecord]:
        """At most READ_BYTES_MAX of data at once, unless the first two records have more."""
        rows = await self._fetch([partition], [after_seq], limit, READ_BYTES_MAX)
        return [LogRecord(*row) for row in rows]  # By name it takes three times as long.

    async def read_each(self, after: Mapping[int, int], limit: int) -> Mapping[int, Sequence[LogRecord]]:
        """With one query. At most READ_EACH_BYTES_MAX of each partition, unless its first two records have more."""
        partitions = sorted(after)  # So that the same ones make the same query, which is prepared once.
        seqs = [after[partition] for partition in partitions]
        found: dict[int, list[LogRecord]] = defaultdict(list)
        for row in await self._fetch(partitions, seqs, limit, READ_EACH_BYTES_MAX) if partitions else ():
            found[row[0]].append(LogRecord(*row))
        return found

    async def head(self, partition: int) -> int:
        query = _SQL["head"].format(partition=partition)
        async with detached_told(self._pool):
            return int(await retried(lambda: self._pool.fetchval(query), self._deadline_seconds))

    async def _fetch(
        self, partitions: Sequence[int], seqs: Sequence[int], limit: int, bytes_max: int
    ) -> Sequence[asyncpg.Record]:
        query = _reading(tuple(partitions))
        async with detached_told(self._pool):
            return await retried(
                lambda: self._pool.fetch(query, seqs, limit, bytes_max), self._deadline_seconds
            )

    async def wait_for_append(self, partitions: Collection[int], timeout_seconds: float) -> None:
        """While the listening connection is down, only the timeout ends the wait."""
        self._listener.require_alive()
        await self._appended.wait(partitions, timeout_seconds)

    def _ring(self, partitions: str = "") -> None:
        """Where something was appended, as in `0,3`; everywhere when nothing is named, as before migration 007."""
        named = list(map(int, partitions.split(","))) if partitions else range(self._partition_count)
        self._appended.ring(named)


@lru_cache(maxsize=1024)
def _reading(partitions: Sequence[int]) -> str:
    return " union all ".join(
        f"({_SQL['read'].format(partition=partition, place=place)})"
        for place, partition in enumerate(partitions, start=1)
    )
