"""A connection to the database under test, for the eyes of the oracle."""

from typing import TYPE_CHECKING, TypeAlias

import asyncpg

if TYPE_CHECKING:
    Database: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Database = asyncpg.Connection
