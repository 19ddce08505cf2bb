"""What can be wrong with the database, as opposed to with a command.

DatabaseProblem
├── DatabaseUnavailable        try again later
├── TableDetached              attach a partition of the log
├── DatabaseTurnedAway         a certificate is not accepted (certificates.py)
├── DatabaseNotMigrated        run the migrations
├── NotAllowed                 take another user, or give this one rights
├── MigrationChanged           an applied file was edited
└── PartitionCountMismatch     the log was started with another number of partitions
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from eventsourcing.persistence import InterfaceError, OperationalError

from domain.ports import EventStoreUnavailable, PartitionDetached
from infrastructure.mendable import Mendable
from infrastructure.settings import InvalidSetting


class DatabaseProblem(Mendable):
    """Not the caller's fault."""


class DatabaseUnavailable(DatabaseProblem, EventStoreUnavailable):
    """No answer in time. Whether what was being written is stored is not known."""


class TableDetached(PartitionDetached, DatabaseProblem):
    def __init__(self, partitions: Collection[int]) -> None:
        statements = [
            f"alter table events attach partition events_{each} for values in ({each})"
            for each in sorted(partitions)
        ]
        super().__init__(partitions, f"once its table is there, `{'; '.join(statements)}`")


class DatabaseNotMigrated(DatabaseProblem):
    def __init__(self) -> None:
        super().__init__("the database does not have this version's tables yet: run `stenolog migrate`")


class NotAllowed(DatabaseProblem):
    def __init__(self, problem: asyncpg.InsufficientPrivilegeError) -> None:
        super().__init__(
            f"this user of the database may not do that ({problem}): take the one that owns the tables, or give this one the "
            "rights that docs/partitions.md names"
        )


@contextmanager
def rights_told() -> Iterator[None]:
    """Raises NotAllowed."""
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as problem:
        raise NotAllowed(problem) from None


class MigrationChanged(DatabaseProblem):
    def __init__(self, component: str, name: str) -> None:
        super().__init__(f"{component}: {name} was applied and then edited: undo the edit, add a new file")


class PartitionCountMismatch(DatabaseProblem, InvalidSetting):
    def __init__(self, stored: int, asked: int) -> None:
        super().__init__(
            f"this log was started with {stored} partitions and cannot be used with {asked}: "
            f"set STENOLOG_PARTITIONS={stored}"
        )
        self.stored = stored
        self.asked = asked


REFUSALS: Final = (
    # The classes 28 and 3D of SQLSTATE.
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
"""The server does not let us in: for a process that starts a wrong setting, for one that runs an outage to be mended."""

TRANSIENT: Final = (
    OSError,
    *REFUSALS,
    asyncpg.InterfaceError,
    # How asyncpg says that a connection died between two of its steps.
    asyncpg.InternalClientError,
    # The classes 08, 25 (a standby that only reads), 40, 53, 55, 57 and 58 of SQLSTATE.
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    # A rebuilt table took the place of the old one; asyncpg prepares the statement anew.
    asyncpg.InvalidCachedStatementError,
    InterfaceError,
    OperationalError,
)
"""Errors that say nothing about the statement: the same one may succeed a moment later. OSError holds TimeoutError.

The last two are what the recorder makes of the others."""

OUTAGES: Final = (*TRANSIENT, EventStoreUnavailable)
"""The same work may succeed later although nothing about it changes."""
