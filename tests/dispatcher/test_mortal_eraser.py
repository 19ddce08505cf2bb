"""A process that erases is killed between every two steps, and the next one goes on."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.dispatcher.household import household
from tests.infrastructure.postgres.database import fresh_database
from tests.stack.servers import Database

STEPS_MIN = 12
"""Two passes over what somebody has, four folders in each, and what lies between and after them."""
STEPS_MAX = 60
END_SECONDS = 60.0


async def ends(url: str, folder: Path, deadly: int) -> int:
    arguments = [url, str(folder), str(deadly)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.dispatcher.mortal_eraser", *arguments
    )
    async with asyncio.timeout(END_SECONDS):
        return await process.wait()


@pytest.mark.slow
async def test_an_erasure_that_is_killed_between_every_two_steps_is_completed(
    postgres: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "objects"
    async with fresh_database(postgres) as url, household(url, folder) as home:
        anna = await home.has_lived("anna", ["processing", "completed"])
        bert = await home.has_lived("bert", ["completed"])
        await home.wants_to_go(anna)
        code, steps = -signal.SIGKILL, 0
        while code == -signal.SIGKILL:
            steps += 1
            assert steps < STEPS_MAX
            code = await ends(url, folder, steps)
        assert (code, steps > STEPS_MIN) == (0, True)
        await home.require_gone(anna)
        types = await home.types_of(anna)
        for once in ("UserErasureRequested", "UserErased"):
            assert types.count(once) == 1
        assert types.count("FileDeleted") == types.count("TranscriptionDeleted") == 2
        assert await home.rows_of(bert) > 0
