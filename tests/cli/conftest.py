"""A log of this version, who appends to it, and an auditor."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.cli.auditors import auditor_of, migrated_database
from tests.cli.stories import Teller, telling
from tests.stack.servers import Database


@pytest_asyncio.fixture
async def migrated_url(postgres: Database) -> AsyncIterator[str]:
    async with migrated_database(postgres) as url:
        yield url


@pytest_asyncio.fixture
async def teller(migrated_url: str) -> AsyncIterator[Teller]:
    async with telling(migrated_url) as teller:
        yield teller


@pytest_asyncio.fixture
async def auditor_url(migrated_url: str) -> AsyncIterator[str]:
    """Of somebody who may only read."""
    async with auditor_of(migrated_url) as url:
        yield url
