"""The API of a sealed log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from infrastructure.settings import Settings
from tests.api.conftest import SECRET
from tests.api.rig import Installation, installed, migrate_all
from tests.evidence.logs import PARTITION_COUNT, SealedLog
from tests.keys import MASTER_KEYS_TEXT

TOKEN: Final = "a token that the auditor was given"  # of a test
AUDITOR: Final = {"Authorization": f"Bearer {TOKEN}"}


async def served_settings(log: SealedLog) -> Settings:
    settings = Settings(
        database_url=log.url,
        object_store=log.folder.as_uri(),
        jwt_secret=SECRET,
        master_keys=MASTER_KEYS_TEXT,
        partitions=PARTITION_COUNT,
        evidence_token=TOKEN,
        query_seconds=20,
    )
    await migrate_all(settings)
    return settings


@asynccontextmanager
async def served(log: SealedLog, spool: Path, **changes: str) -> AsyncIterator[Installation]:
    async with installed(replace(await served_settings(log), **changes), spool) as installation:
        yield installation
