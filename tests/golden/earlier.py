"""A database as the version before left it, in which everything personal is in the clear."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from infrastructure.postgres.clear_events import ClearEvents, Outcome, Tell
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.settings import Settings
from projections.models import READ_MODELS
from projections.models import migrate as migrate_read_models
from projections.reading import Reading
from projections.rebuild import rebuild
from schemas.events import IN_THE_CLEAR
from tests.golden.histories import FOLDER, read_history, restore
from tests.infrastructure.postgres.database import fresh_database
from tests.keys import MASTER_KEYS_TEXT, keys_on
from tests.projections.running import contents
from tests.stack.servers import Database

BEFORE = read_history(FOLDER / "1.json")
"""With everything personal in the clear."""
CLEAR = [row for row in BEFORE.log if (row["type"], row["schema_version"]) in IN_THE_CLEAR]
SAID = ["@example.com", "12.0.wav", "A talk by Bjørn", "Ærø"]


def _say_nothing(_looked: int, _there: int) -> None:
    """How far it is does not matter."""


class Earlier(Struct):
    """A database as the version before left it, with the tables of this one."""

    url: str
    pool: Pool

    @property
    def settings(self) -> Settings:
        return Settings(
            database_url=self.url, partitions=BEFORE.partition_count, master_keys=MASTER_KEYS_TEXT
        )

    async def seal(self, *, covered: int = 0, stretch: int = 3, tell: Tell = _say_nothing) -> Outcome:
        async def keys() -> Any:
            return keys_on(self.pool)

        async def shown(_partition: int) -> int:
            return covered

        return await ClearEvents(self.pool, keys, shown, stretch=stretch).seal(tell)

    async def rows(self, columns: Sequence[str]) -> Sequence[tuple[Any, ...]]:
        names = ", ".join(columns)
        return [
            tuple(row)
            for row in await self.pool.fetch(f"select {names} from events order by partition, seq")
        ]

    async def clear(self) -> int:
        """How many events are in the clear."""
        types = [*zip(*IN_THE_CLEAR, strict=True)]
        count: int = await self.pool.fetchval(
            "select count(*) from events where (type, schema_version) in (select * from unnest($1::text[], $2::integer[]))",
            *types,
        )
        return count

    async def made_of_it(self) -> dict[str, list[tuple[object, ...]]]:
        """Every read model, rebuilt."""
        async with (
            PostgresEventLog(self.pool, BEFORE.partition_count) as log,
            self.pool.acquire() as connection,
        ):
            await migrate_read_models(connection)
            for name in READ_MODELS:
                reading = Reading(keys_on(self.pool).of)
                await rebuild(connection, log, READ_MODELS[name], reading, lambda _folded, _there: None)
        return await contents(self.pool)

    async def tamper(self, statement: str, *arguments: object) -> None:
        """As a superuser past all triggers."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(statement, *arguments)


@asynccontextmanager
async def earlier_database(server: Database) -> AsyncIterator[Earlier]:
    async with fresh_database(server) as url, await create_pool(url) as pool:
        await restore(pool, BEFORE)
        yield Earlier(url, pool)
