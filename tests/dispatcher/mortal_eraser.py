"""`python -m tests.dispatcher.mortal_eraser URL FOLDER STEP`: erases whoever asked for it, and is killed right after that step."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dispatcher.erasures import PostgresErasures
from tests.dispatcher.household import household
from tests.evidence.crashes import Mortal, Steps


class LastSteps(Steps):
    """Nobody catches this end, and nothing is tidied up."""

    def __init__(self, deadly: int) -> None:
        super().__init__(deadly, done=True)

    async def take(self, step: Callable[[], Awaitable[Any]]) -> Any:
        self.count += 1
        answer = await step()
        if self.count == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


async def erase(url: str, folder: Path, deadly: int) -> None:
    steps = LastSteps(deadly)
    async with household(url, folder) as home:
        erasures = PostgresErasures(home.pool)
        eraser = home.eraser(
            erasures=Mortal(erasures, steps, "forget", "finish"),
            store=Mortal(home.store, steps, "append_chain"),
            objects=Mortal(home.objects, steps, "delete_all"),
            keys=Mortal(home.keys, steps, "erase"),
        )
        for leaving in await erasures.under_way():
            assert await eraser.erase(leaving)


if __name__ == "__main__":
    asyncio.run(erase(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
