"""The servers the benchmarks run on: the embedded PostgreSQL and Kafka, in a folder that goes away."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from embedded.postgres import Postgres
from infrastructure.kafka.topics import create_topics
from infrastructure.postgres.migrate import migrate
from infrastructure.postgres.pool import Pool, create_pool
from projections import models
from schemas.topics import Topics
from tests.stack import embedded

PARTITIONS: Final = 8


class Stack(Struct, frozen=True):
    """Both servers, running; `folder` is for what else a benchmark writes."""

    postgres: Postgres
    bootstrap: str
    retention_ms: int
    folder: Path

    async def database(self, name: str) -> str:
        """The URL of a new database with the tables of the log and of the read models."""
        url = await self.postgres.create_database(name)
        async with await create_pool(url) as pool:
            await _migrate(pool)
        return url

    async def topics(self, prefix: str) -> Topics:
        """Fresh topics, one partition for each of the log."""
        topics = Topics(prefix)
        await create_topics(self.bootstrap, topics, PARTITIONS, self.retention_ms)
        return topics


async def _migrate(pool: Pool) -> None:
    await migrate(pool, "log", Path("infrastructure/postgres/migrations"))
    async with pool.acquire() as connection:
        await models.migrate(connection)


@asynccontextmanager
async def running_stack() -> AsyncIterator[Stack]:
    with open_folder() as folder:
        async with embedded.postgres(folder) as postgres, embedded.kafka(folder) as kafka:
            yield Stack(postgres, kafka.bootstrap, kafka.retention_ms, folder)


@contextmanager
def open_folder() -> Iterator[Path]:
    """One that PostgreSQL's account may enter, also when we are root."""
    with tempfile.TemporaryDirectory(prefix="stenolog-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder
