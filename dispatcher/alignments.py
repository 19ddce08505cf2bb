"""Which typed words are to be looked for by which worker, as PostgreSQL knows it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg
from msgspec import Struct

from infrastructure.postgres.queries import load_queries

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class DueAlignment(Struct, frozen=True):
    transcription_id: UUID
    revision: int
    attempt: int
    worker_id: UUID


class Alignments(Protocol):
    async def due(
        self, silence_seconds_max: float, but: Collection[UUID], lease_seconds: float
    ) -> Sequence[DueAlignment]:
        """One for each worker that has nothing to do while no transcription waits, except of some transcriptions.

        A worker has nothing to do that was heard of within `silence_seconds_max`. What a worker has in hand is nobody
        else's until it has been silent for `lease_seconds`. Times are the database's.
        """
        ...


@dataclass(frozen=True, slots=True)
class PostgresAlignments:
    """Implements Alignments; the connections' search_path leads to the queue and to the read model of transcriptions."""

    pool: "asyncpg.Pool[Any]"

    async def due(
        self, silence_seconds_max: float, but: Collection[UUID], lease_seconds: float
    ) -> Sequence[DueAlignment]:
        rows = await self.pool.fetch(SQL["due"], silence_seconds_max, list(but), lease_seconds)
        return [DueAlignment(*row) for row in rows]
