"""The read models there are."""

from collections.abc import Mapping
from typing import Any, Final

from infrastructure.postgres.pool import READ_SCHEMA, Connection
from projections.files import FILES
from projections.projection import Projection
from projections.quota import QUOTA
from projections.tables import ensure_progress, ensure_tables
from projections.transcriptions import TRANSCRIPTIONS
from projections.users import USERS

READ_MODELS: Final[Mapping[str, Projection[Any]]] = {
    projection.name: projection for projection in (USERS, QUOTA, FILES, TRANSCRIPTIONS)
}


async def migrate(connection: Connection) -> None:
    """Creates what is missing; does nothing where everything is there."""
    await ensure_tables(connection, READ_SCHEMA, list(READ_MODELS.values()))
    await ensure_progress(connection, READ_SCHEMA)
