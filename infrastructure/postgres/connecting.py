"""What can be wrong with STENOLOG_DATABASE_URL, said in one line without the password."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from socket import gaierror
from typing import Final, TypeVar
from urllib.parse import urlsplit

import asyncpg

from infrastructure.postgres.errors import REFUSALS, TRANSIENT, DatabaseUnavailable
from infrastructure.postgres.retry import retried
from infrastructure.settings import InvalidSetting
from infrastructure.waiting import Wait

VARIABLE: Final = "STENOLOG_DATABASE_URL"
_EXPECTED: Final = (
    "give postgresql://user:password@host:5432/database, with what is special in the password as %XX"
)

Answer = TypeVar("Answer")


async def connected(
    database_url: str, connect: Callable[[], Awaitable[Answer]], deadline_seconds: float
) -> Answer:
    """What `connect` gives, also when the server is not there yet. Raises InvalidSetting or DatabaseUnavailable."""
    if not database_url.strip():
        raise InvalidSetting(f"{VARIABLE} is empty: {_EXPECTED}")
    server = server_of(database_url)
    wait = Wait(server)
    last: list[Exception] = []

    async def try_once() -> Answer:
        try:
            with _named(server):
                return await connect()
        except TRANSIENT as problem:
            last[:] = [problem]
            wait.goes_on(_brief(problem))
            raise

    try:
        found = await retried(try_once, deadline_seconds)
    except DatabaseUnavailable as problem:
        raise _gave_up(server, deadline_seconds, *last) from problem
    wait.is_over()
    return found


def server_of(database_url: str) -> str:
    """For people; never the password. Raises InvalidSetting for what is no URL of PostgreSQL's."""
    try:
        parts = urlsplit(database_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidSetting(f"{VARIABLE} cannot be understood: {_EXPECTED}") from None
    if "@" in parts.path + parts.query + parts.fragment:  # A password was cut at one of / ? #.
        raise InvalidSetting(f"{VARIABLE} cannot be understood: {_EXPECTED}")
    if parts.scheme not in ("postgresql", "postgres"):
        raise InvalidSetting(f"{VARIABLE} is no address of PostgreSQL: {_EXPECTED}")
    return f"PostgreSQL at {host}:{port or 5432}" if host else "PostgreSQL"


@contextmanager
def _named(server: str) -> Iterator[None]:
    """A server that refuses us will go on doing so: that is no outage to be sat out."""
    try:
        yield
    except asyncpg.ClientConfigurationError:
        # Its text may quote any part of the URL.
        raise InvalidSetting(f"{VARIABLE} cannot be understood: {_EXPECTED}") from None
    except asyncpg.PostgresError as problem:
        if isinstance(problem, TRANSIENT) and not isinstance(problem, REFUSALS):
            raise
        raise InvalidSetting(f"{VARIABLE}: {server} refuses: {_brief(problem)}") from problem


def _gave_up(server: str, seconds: float, problem: Exception | None = None) -> Exception:
    told = f"{VARIABLE}: no answer from {server} within {seconds:g} s"
    if problem is None:
        return DatabaseUnavailable(told)
    kind = InvalidSetting if isinstance(problem, gaierror) else DatabaseUnavailable
    return kind(f"{told}: {_brief(problem)}")


def _brief(problem: Exception) -> str:
    return (str(problem) or type(problem).__name__).splitlines()[0]
