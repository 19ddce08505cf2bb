"""A log to seal for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.evidence.logs import SealedLog, sealed_log
from tests.stack.servers import Database


@pytest.fixture
async def log(postgres: Database, tmp_path: Path) -> AsyncIterator[SealedLog]:
    async with sealed_log(postgres, tmp_path / "objects") as log:
        yield log
