"""One installation of the API for each module, and fresh people for each test."""

import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from infrastructure.settings import Settings
from tests.api.rig import Installation, Person, in_one_task, migrate_all, serving
from tests.keys import MASTER_KEYS_TEXT

SECRET = "a secret that only this test knows, and nobody else"


class Recorded(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture
def internal_errors() -> Iterator[list[str]]:
    """What was logged of errors that no handler names. A test that asks for this fixture asks for such errors."""
    recorded = Recorded()
    loggers = [logging.getLogger(name) for name in ("api.errors", "uvicorn.error")]
    for logger in loggers:
        logger.addHandler(recorded)
    yield recorded.said
    for logger in loggers:
        logger.removeHandler(recorded)


@pytest.fixture(autouse=True)
def no_internal_error(request: pytest.FixtureRequest) -> Iterator[None]:
    """A 500 is a defect wherever it comes from: no test has one that it did not ask for."""
    asked_for = "internal_errors" in request.fixturenames
    said: list[str] = request.getfixturevalue("internal_errors")
    yield
    assert asked_for or not said


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def settings(postgres_url: str) -> AsyncIterator[Settings]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database_url=postgres_url,
            object_store=(Path(folder) / "objects").as_uri(),
            jwt_secret=SECRET,
            master_keys=MASTER_KEYS_TEXT,
            partitions=4,
            free_minutes=60,
            upload_max_bytes=1 << 20,
            consistency_wait_seconds=10,
            query_seconds=20,  # a busy machine is no frozen database
            login_attempts_per_minute=10_000,
        )
        await migrate_all(settings)
        yield settings


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with in_one_task(serving(settings)) as running:
        yield running


@pytest.fixture
async def anna(installation: Installation) -> Person:
    return await Person.arrives(installation)


@pytest.fixture
async def bert(installation: Installation) -> Person:
    return await Person.arrives(installation)
