"""Fixtures for everybody: a real PostgreSQL and a real Kafka, each started when the first test asks for it."""

import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from infrastructure.kafka.topics import create_topics
from schemas.topics import Topics
from tests.stack import servers

PARTITION_COUNT = 4
"""Of the topics that the `topics` fixture creates."""


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    """Short, since sockets have short names, and open to the account that PostgreSQL runs under."""
    with tempfile.TemporaryDirectory(prefix="stenolog-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(stack_folder: Path) -> AsyncIterator[servers.Database]:
    async with servers.postgres(stack_folder) as database:
        yield database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres_url(postgres: servers.Database) -> AsyncIterator[str]:
    """The URL of a fresh, empty database that the requesting module has to itself."""
    name = f"test_{uuid.uuid4().hex}"
    yield await postgres.create_database(name)
    await postgres.drop_database(name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker(stack_folder: Path) -> AsyncIterator[servers.Kafka]:
    async with servers.kafka(stack_folder) as running:
        yield running


@pytest.fixture(scope="session")
def kafka(broker: servers.Kafka) -> str:
    """The bootstrap address of the session's Kafka."""
    return broker.bootstrap


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def topics(broker: servers.Kafka) -> Topics:
    """Topics with a prefix that only the requesting module knows; they exist, with PARTITION_COUNT partitions."""
    fresh = Topics(f"test-{uuid.uuid4().hex[:12]}")
    await create_topics(broker.bootstrap, fresh, PARTITION_COUNT, broker.retention_ms)
    return fresh
