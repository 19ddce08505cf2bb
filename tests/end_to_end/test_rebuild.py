"""`stenolog rebuild` makes tables that are equal to the live ones."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

from tests.end_to_end.database import Database
from tests.end_to_end.installation import Installation
from tests.end_to_end.person import Person
from tests.end_to_end.quiet import until_quiet
from tests.media import write_tone
from tests.projections.running import folded_columns

REBUILD_SECONDS = 60


async def tables(database: Database) -> dict[str, list[asyncpg.Record]]:
    return {
        name: await database.fetch(f"select {columns} from read.{name} order by 1")
        for name, columns in folded_columns().items()
    }


async def rebuild(running: Installation, name: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("stenolog")),
        "rebuild",
        name,
        env={
            **os.environ,
            "STENOLOG_DATABASE_URL": running.settings.database_url,
            "STENOLOG_MASTER_KEYS": running.settings.master_keys,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(REBUILD_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_rebuilt_tables_equal_the_live_ones(running: Installation) -> None:
    async with Person.arrives(running.url) as person:
        recording = write_tone(running.folder.path / "tone.wav", seconds=3)
        await person.waits_for(
            await person.requests((await person.uploads(recording))["file_id"]), "completed"
        )
    await until_quiet(running)
    async with running.database() as database:
        live = await tables(database)
        assert all(live.values())
        await rebuild(running, "all")
        assert await tables(database) == live
