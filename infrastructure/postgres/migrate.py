"""Bringing the schema up to date: each SQL file of a folder is applied once, in the order of its number."""

import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import asyncpg

from infrastructure.postgres.errors import MigrationChanged
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries

LOG_COMPONENT: Final = "log"
LOG_MIGRATIONS: Final = Path(__file__).parent / "migrations"

FILE_SECONDS_MAX: Final = 24 * 3600.0
"""A migration may move every event there is."""
SAID_BY_A_MIGRATION: Final = "00000"
"""Unlike what PostgreSQL itself remarks."""

_NAME: Final = re.compile(r"\d{3}_\w+\.sql")
_SQL: Final = load_queries(Path(__file__).parent / "migrate.sql")
_logger = logging.getLogger(__name__)


async def migrate(database: Pool | Connection, component: str, folder: Path) -> list[str]:
    """Applies the new files `NNN_words.sql` of `folder`, all or none; returns their names.

    Files run with `public` as their only schema. Any number of processes may call this at once. Raises
    MigrationChanged when an applied file was edited, ValueError for a file name that has no number.
    """
    if isinstance(database, asyncpg.Pool):
        async with database.acquire() as connection:
            return await _migrate(connection, component, folder)
    return await _migrate(database, component, folder)


@asynccontextmanager
async def noting_new_tables(connection: Connection) -> AsyncIterator[list[str]]:
    """A list that holds, at the end of the block, the tables that it created."""
    before = {row["name"] for row in await connection.fetch(_SQL["select_tables"])}
    new: list[str] = []
    yield new
    new += [
        row["name"] for row in await connection.fetch(_SQL["select_tables"]) if row["name"] not in before
    ]


@asynccontextmanager
async def progress_told(connection: Connection) -> AsyncIterator[None]:
    """Prints what a migration that takes its time says of itself (`raise notice`)."""

    def tell(_: object, message: asyncpg.PostgresLogMessage) -> None:
        if message.sqlstate == SAID_BY_A_MIGRATION:
            print(message.message, flush=True)  # noqa: T201  # as `tell_done`

    connection.add_log_listener(tell)
    try:
        yield
    finally:
        connection.remove_log_listener(tell)


def tell_done(what: str, done: Sequence[str]) -> None:
    """One line of a migration, for the person or the log of whoever runs it."""
    print(f"{what}: {', '.join(done) or 'nothing to do'}", flush=True)  # noqa: T201  # as above


async def not_applied(connection: Connection, component: str, folder: Path) -> list[str]:
    """The files of `folder` that `migrate` would apply. Raises UndefinedTableError where none ever was."""
    applied = await connection.fetch(_SQL["select_applied"], component)
    return sorted(set(_read_files(folder)) - {row["name"] for row in applied})


async def _migrate(connection: Connection, component: str, folder: Path) -> list[str]:
    files = _read_files(folder)
    async with connection.transaction():
        await connection.execute(_SQL["take_turns"])
        await connection.execute(_SQL["create_table"])
        applied = await connection.fetch(_SQL["select_applied"], component)
        digests: dict[str, str] = {row["name"]: row["sha256"] for row in applied}
        new = [name for name in files if name not in digests]
        _require_unchanged(component, files, digests)
        for name in new:
            async with progress_told(connection):
                await connection.execute(files[name], timeout=FILE_SECONDS_MAX)
            await connection.execute(_SQL["record"], component, name, _digest(files[name]))
            _logger.info("applied migration %s of %s", name, component)
    return new


def _read_files(folder: Path) -> dict[str, str]:
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}
    for name in files:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{folder / name} is not called NNN_words.sql")
    return files


def _require_unchanged(component: str, files: dict[str, str], digests: dict[str, str]) -> None:
    for name, text in files.items():
        if digests.get(name, _digest(text)) != _digest(text):
            raise MigrationChanged(component, name)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
