"""A log that was stored in the clear, for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.golden.earlier import Earlier, earlier_database
from tests.stack.servers import Database


@pytest.fixture
async def earlier(postgres: Database) -> AsyncIterator[Earlier]:
    async with earlier_database(postgres) as opened:
        yield opened
