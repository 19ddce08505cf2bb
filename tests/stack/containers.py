"""PostgreSQL and Apache Kafka in Docker containers, by testcontainers; for machines that have a Docker engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from msgspec import Struct


class ContainerDatabase(Struct, frozen=True):
    """`url_of_server` has no database at its end."""

    url_of_server: str

    async def create_database(self, name: str) -> str:
        await self._execute(f'CREATE DATABASE "{name}"')
        return f"{self.url_of_server}/{name}"

    async def drop_database(self, name: str) -> None:
        await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(f"{self.url_of_server}/postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class ContainerKafka(Struct, frozen=True):
    bootstrap: str
    retention_ms: int = -1


@asynccontextmanager
async def postgres() -> AsyncIterator[ContainerDatabase]:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415  # slow, and needed with Docker only

    container = PostgresContainer("postgres:18.6", username="stenolog", password="stenolog", driver=None)
    await asyncio.to_thread(container.start)
    try:
        host, port = container.get_container_host_ip(), container.get_exposed_port(5432)
        yield ContainerDatabase(f"postgresql://stenolog:stenolog@{host}:{port}")
    finally:
        await asyncio.to_thread(container.stop)


@asynccontextmanager
async def kafka() -> AsyncIterator[ContainerKafka]:
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415  # as above

    container = KafkaContainer("confluentinc/cp-kafka:8.1.0").with_kraft()
    await asyncio.to_thread(container.start)
    try:
        yield ContainerKafka(container.get_bootstrap_server())
    finally:
        await asyncio.to_thread(container.stop)
