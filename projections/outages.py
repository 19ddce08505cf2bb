"""Telling a database that is away from an event that cannot be folded, and from an order to end."""

import asyncio
from typing import Final

import asyncpg

_TRANSIENT_CLASSES: Final = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""SQLSTATE classes that pass by themselves: connections, read-only standbys, deadlocks, resources, shutdown."""


def is_outage(error: BaseException) -> bool:
    """Whether the same work may succeed later although nothing about it changes."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return True  # A rebuilt table took the place of the old one; asyncpg prepares the statement anew.
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _TRANSIENT_CLASSES
    # asyncpg calls it an internal error when a connection dies between two of its steps.
    return isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError)


def is_being_cancelled() -> bool:
    """Whether the error stands for an order to end: asyncpg's transaction raises, on its way out of a cancellation
    that meets a broken connection, that the connection is closed, and the cancellation is lost.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
