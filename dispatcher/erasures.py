"""Who is to be erased, in PostgreSQL, and what of them is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from dispatcher.ports import Leaving
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries

CHANNEL: Final = "erasure_requested"
"""Where it is told that somebody asks to be erased."""

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
_FORGET: Final = ("forget_credentials", "forget_sources", "forget_key_uses", "forget_progress")
_FORGET_AGAIN: Final = ("forget_windows", "forget_spoken", "forget_answers")
"""What is written beside the log, by who does not ask it."""


@dataclass(frozen=True, slots=True)
class PostgresErasures:
    """Implements Erasures."""

    pool: Pool

    async def under_way(self) -> Sequence[Leaving]:
        return [Leaving(*row) for row in await self.pool.fetch(_SQL["under_way"])]

    async def done_within(self, seconds: float) -> Sequence[UUID]:
        return [row["user_id"] for row in await self.pool.fetch(_SQL["done_within"], seconds)]

    async def come_back(self) -> Sequence[UUID]:
        return [row["owner_id"] for row in await self.pool.fetch(_SQL["come_back"])]

    async def open_streams_of(self, user_id: UUID) -> Sequence[str]:
        return [row["stream_id"] for row in await self.pool.fetch(_SQL["open_streams_of"], user_id)]

    async def is_worked_for(self, user_id: UUID) -> bool:
        return bool(await self.pool.fetchval(_SQL["is_worked_for"], user_id))

    async def forget(self, user_id: UUID) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            for query in (*_FORGET, *_FORGET_AGAIN):
                await connection.execute(_SQL[query], user_id)

    async def finish(self, user_id: UUID) -> None:
        """And once more forgets what may have been under way when they asked for it."""
        async with self.pool.acquire() as connection, connection.transaction():
            for query in (*_FORGET_AGAIN, "finish"):
                await connection.execute(_SQL[query], user_id)
