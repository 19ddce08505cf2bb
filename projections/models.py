"""The read models there are."""

from collections.abc import Mapping
from typing import Any, Final

from infrastructure.postgres.pool import READ_SCHEMA, Connection
from projections import checkpoints
from projections.files import FILES
from projections.projection import Projection, versions_of
from projections.quota import QUOTA
from projections.spoken import SPOKEN
from projections.tables import ensure_progress, ensure_tables
from projections.transcriptions import TRANSCRIPTIONS
from projections.users import USERS

READ_MODELS: Final[Mapping[str, Projection[Any]]] = {
    projection.name: projection for projection in (USERS, QUOTA, FILES, TRANSCRIPTIONS, SPOKEN)
}


async def migrate(connection: Connection) -> list[Projection[Any]]:
    """Creates what is missing; returns the read models whose tables are of an older version, to be rebuilt."""
    await ensure_tables(connection, READ_SCHEMA, [])
    old = await checkpoints.outdated(connection, versions_of(READ_MODELS.values()))
    await ensure_tables(
        connection, READ_SCHEMA, [READ_MODELS[name] for name in READ_MODELS if name not in old]
    )
    await ensure_progress(connection, READ_SCHEMA)
    return [READ_MODELS[name] for name in old]
