"""A database as `stenolog migrate` leaves it, and auditors who log in to it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from msgspec import Struct

from cli.migrations import migrate_database
from infrastructure.processes import ROOT
from infrastructure.settings import Settings
from tests.infrastructure.postgres.database import PARTITION_COUNT, fresh_database
from tests.stack.servers import Database

SECONDS = 60.0


class Answer(Struct, frozen=True):
    code: int
    output: str
    said: str


@asynccontextmanager
async def migrated_database(server: Database) -> AsyncIterator[str]:
    async with fresh_database(server) as url:
        await migrate_database(Settings(database_url=url, partitions=PARTITION_COUNT))
        yield url


@asynccontextmanager
async def auditor_of(url: str) -> AsyncIterator[str]:
    """The URL for somebody with a login of their own, who is one of the auditors."""
    name, password = f"auditor_{uuid4().hex[:12]}", uuid4().hex
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(f"create role {name} login password '{password}' in role stenolog_auditor")
        yield _as(url, name, password)
        await owner.execute(f"drop role {name}")
    finally:
        await owner.close()


def _as(url: str, name: str, password: str) -> str:
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password)}@{server}"))


async def stenolog(url: str, folder: Path, *arguments: str) -> Answer:
    """`stenolog events …` with that database, to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "events", *arguments, env=environment(url), cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS):
        output, said = await process.communicate()
    assert process.returncode is not None
    return Answer(process.returncode, output.decode(), said.decode())


def environment(url: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STENOLOG_")}
    return inherited | {"PYTHONPATH": str(ROOT), "STENOLOG_DATABASE_URL": url}
