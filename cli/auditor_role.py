"""The database role of auditors: it can read the log and what shows that the log is true, and nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from infrastructure.postgres.migrate import tell_done
from infrastructure.postgres.pool import Connection, create_pool
from infrastructure.postgres.queries import load_queries
from infrastructure.settings import Settings

ROLE: Final = "stenolog_auditor"
"""A group without a login of its own: `grant stenolog_auditor to somebody`. One for all databases of a server."""

READABLE: Final = (
    "public.migrations",
    "public.log_settings",
    "public.log_partitions",
    "public.log_heads",
    "public.detached_partitions",
    "public.events",
    "public.events_readable",
    "public.snapshots",
    "public.relay_positions",
    "public.relay_refusals",
    "public.evidence_log",
    "public.evidence_checkpoints",
    "public.evidence_keys",
    "public.evidence_refusals",
    "read.projection_checkpoints",
)
"""What is not named here an auditor cannot read: credentials, keys of people, read models, queues. So it is with new tables."""

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
_TAKE_TURNS: Final = "select pg_advisory_xact_lock(hashtextextended('stenolog auditor', 0))"


async def provide_auditor(settings: Settings, role: str = ROLE) -> None:
    """Says what it did. A user who may not create roles is told who has to do what, and all else goes on."""
    async with (
        await create_pool(settings.database_url, application_name="stenolog migrate", size_max=1) as pool,
        pool.acquire() as connection,
    ):
        if await _provide_role(connection, role):
            tell_done("auditor", await _allow_reading(connection, role))
        else:
            print(
                f"auditor: this user may not create roles: let an administrator run `create role {role} nologin`, "
                "and then `stenolog migrate` once more",
                flush=True,
            )


async def _provide_role(connection: Connection, role: str) -> bool:
    """Whether the role is there, made now or before."""
    if await connection.fetchval(_SQL["role_exists"].format(role=role)):
        return True
    try:
        await connection.execute(_SQL["create_role"].format(role=role))
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        """The migration of another database of this server was first."""
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


async def _allow_reading(connection: Connection, role: str) -> Sequence[str]:
    """The tables that the role may read from now on, and could not before."""
    async with connection.transaction():
        await connection.execute(_TAKE_TURNS)
        rows = await connection.fetch(_SQL["unreadable"].format(role=role), READABLE)
        if rows:
            await connection.execute(_SQL["allow_schemas"].format(role=role))
        for row in rows:
            await connection.execute(_SQL["allow"].format(relation=row["relation"], role=role))
    return [row["relation"] for row in rows]
