"""What the evidence keeps in PostgreSQL: the chain of checkpoints, and the keys that verify them."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.log import Address
from evidence.notes import VerifierKey, verifier_key
from infrastructure.postgres.clear_events import Kept, kept_in_the_clear
from infrastructure.postgres.detached import detached_partitions, detached_told, require_attached
from infrastructure.postgres.errors import DatabaseNotMigrated
from infrastructure.postgres.migrate import migrate, tell_done
from infrastructure.postgres.pool import Connection, Pool, create_pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried
from infrastructure.settings import Settings

EVIDENCE_COMPONENT: Final = "evidence"
EVIDENCE_MIGRATIONS: Final = Path(__file__).parent / "migrations"
DEADLINE_SECONDS: Final = 10.0

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

Answer = TypeVar("Answer")


class Sealed(Struct, frozen=True):
    """A checkpoint as the table has it."""

    size: int
    root: bytes
    note: str
    sealed_at: datetime


async def migrate_evidence_tables(settings: Settings) -> None:
    async with await create_pool(
        settings.database_url, application_name="stenolog migrate", size_max=1
    ) as pool:
        tell_done("evidence", await migrate(pool, EVIDENCE_COMPONENT, EVIDENCE_MIGRATIONS))


class EvidenceTables:
    """Every method raises DatabaseUnavailable at the deadline, and DatabaseNotMigrated where there are no such tables.

    What reads events raises TableDetached of a partition whose table was taken away.
    """

    def __init__(self, pool: Pool | Connection) -> None:
        self._pool = pool

    async def installation_id(self) -> UUID:
        return UUID(str(await self._asked(lambda: self._pool.fetchval(SQL["installation"]))))

    async def latest(self, partition: int) -> Sealed | None:
        rows = await self._asked(lambda: self._pool.fetch(SQL["latest"], partition))
        return Sealed(*rows[0]) if rows else None

    async def record(
        self, partition: int, before: Sealed | None, size: int, root: bytes, note: str
    ) -> bool:
        """Adds a checkpoint after `before`. False when that is not the latest any more."""
        after = (before.size, before.root) if before else (0, b"")
        arguments = partition, after[0], size, root, note, after[1]
        return await self._asked(lambda: self._pool.fetchval(SQL["record"], *arguments)) is not None

    async def untold(self, partition: int) -> Sequence[Sealed]:
        """Checkpoints whose messages are not in Kafka yet, or not known to be."""
        rows = await self._asked(lambda: self._pool.fetch(SQL["untold"], partition))
        return [Sealed(*row) for row in rows]

    async def told(self, partition: int, size: int) -> None:
        await self._asked(lambda: self._pool.execute(SQL["told"], partition, size))

    async def superseded(self, partition: int, full: int) -> Sequence[int]:
        """The sizes of checkpoints that lie within the first `full` leaves, all of which are in full tiles."""
        rows = await self._asked(lambda: self._pool.fetch(SQL["superseded"], partition, full))
        return [row["size"] for row in rows]

    async def forget(self, partition: int, sizes: Sequence[int]) -> None:
        await self._asked(lambda: self._pool.execute(SQL["forget"], partition, sizes))

    async def following(self, partition: int, after_seq: int, limit: int) -> Sequence[asyncpg.Record]:
        """Stored events, of each the columns of an entry."""
        rows = await self._asked(lambda: self._pool.fetch(SQL["following"], partition, after_seq, limit))
        if not rows:  # Where no table is looked at, nobody may have asked whether it is there.
            await self._asked(lambda: require_attached(self._pool, [partition]))
        return rows

    async def place_of(self, partition: int, event_id: str) -> int | None:
        """The seq of an event, wherever in the partition it is."""
        asked: int | None = await self._asked(
            lambda: self._pool.fetchval(SQL["place_of"], partition, UUID(event_id))
        )
        return asked

    async def astray(self, partition_count: int) -> Address | None:
        """An event where none can be: in no partition, or before the first."""
        row = await self._asked(lambda: self._pool.fetchrow(SQL["astray"], partition_count))
        return Address(*row) if row else None

    async def detached(self) -> Collection[int]:
        """Partitions whose tables were taken out of the log: nobody can say anything of their events."""
        return await self._asked(lambda: detached_partitions(self._pool))

    async def partition_count(self) -> int:
        return int(await self._asked(lambda: self._pool.fetchval(SQL["partitions"])))

    async def head(self, partition: int) -> int:
        return int(await self._asked(lambda: self._pool.fetchval(SQL["head"], partition)) or 0)

    async def kept_in_the_clear(self, partition: int) -> Kept:
        return await kept_in_the_clear(self._pool, partition)

    async def public_keys(self) -> Collection[bytes]:
        """Of everybody who ever signed here."""
        rows = await self._asked(lambda: self._pool.fetch(SQL["public_keys"]))
        return {verifier_key(row["verifier_key"]).public for row in rows}

    async def keys(self, partition: int) -> Sequence[VerifierKey]:
        rows = await self._asked(lambda: self._pool.fetch(SQL["keys"], partition))
        return [verifier_key(row["verifier_key"]) for row in rows]

    async def add_keys(self, partition: int, keys: Sequence[VerifierKey]) -> None:
        arguments = [partition] * len(keys), [str(key) for key in keys]
        await self._asked(lambda: self._pool.execute(SQL["add_keys"], *arguments))

    async def refuse(self, partition: int, reason: str) -> None:
        await self._asked(lambda: self._pool.execute(SQL["refuse"], partition, reason))

    async def settle(self, partition: int) -> None:
        await self._asked(lambda: self._pool.execute(SQL["settle"], partition))

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            async with detached_told(self._pool):
                return await retried(ask, DEADLINE_SECONDS)
        except asyncpg.UndefinedTableError as problem:
            raise DatabaseNotMigrated from problem
