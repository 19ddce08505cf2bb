"""Snapshots in their table, beside the log."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import asyncpg

from domain.log import StreamHead
from domain.snapshots import Snapshot
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class SnapshotTable:
    """Methods raise DatabaseUnavailable at the deadline."""

    def __init__(self, pool: Pool, deadline_seconds: float) -> None:
        self._pool = pool
        self._deadline_seconds = deadline_seconds

    async def read(self, stream_ids: Collection[str]) -> Mapping[str, Snapshot]:
        rows = await retried(
            lambda: self._pool.fetch(_SQL["read"], list(stream_ids)), self._deadline_seconds
        )
        return {row["stream_id"]: snapshot_in(row) for row in rows}

    async def write(self, snapshot: Snapshot) -> None:
        columns = (
            snapshot.stream_id,
            snapshot.head.version,
            snapshot.head.event_id,
            snapshot.rules,
            snapshot.state,
            snapshot.digest,
        )
        await retried(lambda: self._pool.execute(_SQL["write"], *columns), self._deadline_seconds)


def snapshot_in(row: asyncpg.Record) -> Snapshot:
    return Snapshot(
        stream_id=row["stream_id"],
        head=StreamHead(row["version"], row["event_id"]),
        rules=row["rules"],
        state=row["state"],
        digest=row["digest"],
    )
