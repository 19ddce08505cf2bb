"""Fixtures for everybody: a real PostgreSQL and a real Kafka, each started when the first test asks for it.

In a run with several workers (`-n auto`, as `make test` does) each of them has servers of its own.
"""

import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from infrastructure.kafka.topics import create_topics
from schemas.topics import Topics
from tests.stack import servers
from tests.stack.needs import Watch, needs_servers
from tests.stack.spread import ShareScheduling, place_of, worker_count

PARTITION_COUNT = 4
"""Of the topics that the `topics` fixture creates."""
watch = Watch()

# Hundreds of processes are started: without bytecode each of them would compile all of our code again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long examples take says more about what else the machine does than about them.
hypothesis_settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("busy")


def pytest_xdist_auto_num_workers() -> int:
    return worker_count(os.cpu_count())


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ShareScheduling:
    config.option.loadscopereorder = False
    return ShareScheduling(config, log)


def pytest_itemcollected(item: pytest.Item) -> None:
    if needs_servers(item):
        item.add_marker("servers")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After everything was shuffled."""
    items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    watch.item = item
    try:
        return (yield)
    finally:
        watch.item = None


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
