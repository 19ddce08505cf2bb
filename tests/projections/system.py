"""Real processes over a real PostgreSQL and a real Kafka, for as long as a test needs them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from dispatcher.__main__ import migrate as migrate_dispatch
from domain.ports import EventLog
from embedded.product import Process
from infrastructure.postgres.__main__ import bring_up_to_date
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.settings import Settings
from projections.__main__ import migrate_tables
from tests.infrastructure.kafka.messages import fresh_topics
from tests.infrastructure.postgres.database import fresh_database
from tests.keys import MASTER_KEYS_TEXT, keys_on
from tests.stack.servers import Database

PARTITION_COUNT = 4
LEASE_SECONDS = 0.9


class System:
    """An empty, migrated Stenolog; processes of it are started by name and stopped at the end."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        store: PostgresEventStore,
        log: PostgresEventLog,
        logs: Path,
    ) -> None:
        self.settings = settings
        self.pool: asyncpg.Pool[Any] = pool
        self.store = store
        self.log: EventLog = log
        self.processes = AsyncExitStack()
        self._logs = logs
        self._started = 0

    async def start(self, *names: str) -> list[Process]:
        processes = []
        for name in names:
            self._started += 1
            process = Process(name, self.settings, self._logs / f"{self._started}-{name}.log")
            self.processes.push_async_callback(process.stop)
            await process.start()
            processes.append(process)
        return processes


@asynccontextmanager
async def fresh_system(postgres: Database, kafka: str, logs: Path, **others: Any) -> AsyncIterator[System]:
    topics = await fresh_topics(kafka, PARTITION_COUNT)
    async with fresh_database(postgres) as database_url:
        settings = Settings(
            database_url=database_url,
            kafka_bootstrap=kafka,
            topic_prefix=topics.prefix,
            partitions=PARTITION_COUNT,
            lease_seconds=LEASE_SECONDS,
            master_keys=MASTER_KEYS_TEXT,
            **others,
        )
        for bring in (bring_up_to_date, migrate_tables, migrate_dispatch):
            await bring(settings)
        async with (
            await create_pool(database_url) as pool,
            PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store,
            PostgresEventLog(pool, PARTITION_COUNT) as log,
        ):
            system = System(settings, pool, store, log, logs)
            async with system.processes:
                yield system
