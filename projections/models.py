"""The read models there are."""

from collections.abc import Mapping
from typing import Any, Final

from projections.files import FILES
from projections.projection import Database, Projection
from projections.quota import QUOTA
from projections.tables import READ_SCHEMA, ensure_progress, ensure_tables
from projections.transcriptions import TRANSCRIPTIONS
from projections.users import USERS

READ_MODELS: Final[Mapping[str, Projection[Any]]] = {
    projection.name: projection for projection in (USERS, QUOTA, FILES, TRANSCRIPTIONS)
}


async def migrate(connection: Database) -> None:
    """Creates what is missing; does nothing where everything is there."""
    await ensure_tables(connection, READ_SCHEMA, list(READ_MODELS.values()))
    await ensure_progress(connection, READ_SCHEMA)
