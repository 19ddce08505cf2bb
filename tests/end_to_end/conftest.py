"""One running Stenolog for all tests that only look at it, and folders that PostgreSQL's account can enter."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.end_to_end.installation import Installation, start, stop

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="session")
def speech() -> Path:
    return SAMPLES / "speech.ogg"


@pytest.fixture(scope="session")
def spoken_text() -> str:
    return (SAMPLES / "speech.txt").read_text(encoding="utf-8")


@pytest.fixture
def fresh_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stenolog-up-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running() -> AsyncIterator[Installation]:
    """The whole system with a real model, the fast one; short leases, so that the tests need not wait long for them."""
    with tempfile.TemporaryDirectory(prefix="stenolog-up-") as folder:
        Path(folder).chmod(0o711)
        installed = await start(
            Path(folder),
            model="tiny.en",
            attempt_lease_seconds=6,
            ready_interval_seconds=0.5,
            window_seconds=20,
        )
        try:
            yield installed
        finally:
            await stop(installed)
