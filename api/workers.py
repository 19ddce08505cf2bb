"""Several API processes behind one port: started, watched and ended by the one that was told to serve."""

import asyncio
import logging
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from msgspec.structs import replace

from api.app import require_secret
from api.port import kept_port
from api.serving import LISTENING
from api.share import ALL_STARTED
from api.upload_table import provide_upload_table
from infrastructure.mendable import Mendable
from infrastructure.process import SETTINGS_EXIT_CODE
from infrastructure.processes import with_settings
from infrastructure.scratch import open_scratch, remove_leftovers, scratch_root
from infrastructure.settings import InvalidSetting, Settings
from infrastructure.telemetry.together import provide_counts

START_SECONDS_MAX: Final = 60.0
"""A worker waits for a database that is still starting, for half of it."""
END_SECONDS_MAX: Final = 8.0
"""For requests in progress, and for closing what they worked with; less than the process itself has."""
BACKOFF_FIRST_SECONDS: Final = 0.2
BACKOFF_LAST_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 30.0
"""A worker that ran for so long had no trouble starting."""

logger = logging.getLogger(__name__)


class DidNotStart(Mendable):
    """A worker ended, or said nothing, before it listened; what kept it from that it has told itself."""


class Workers:
    def __init__(self, settings: Settings, count: int) -> None:
        self._settings = settings
        self._count = count
        self._processes: dict[int, Process] = {}

    async def serve(self) -> None:
        """Until told to stop. Raises InvalidSetting, CannotListen or DidNotStart, before all have started."""
        require_secret(self._settings)
        settings = self._settings
        with kept_port(settings.host, settings.port) as port, _shared_folder(self._count) as folder:
            self._settings = replace(settings, port=port)
            try:
                await self._start_all(folder)
                await self._keep_all(folder)
            finally:
                await self._end_all()

    async def _start_all(self, folder: Path) -> None:
        """One goes first: what keeps it from starting would keep all of them, and is to be said once."""
        await self._start(0, folder)
        async with asyncio.TaskGroup() as starts:
            for number in range(1, self._count):
                starts.create_task(self._start(number, folder))
        (folder / ALL_STARTED).touch()
        logger.info("%d processes listen on port %d", self._count, self._settings.port)

    async def _keep_all(self, folder: Path) -> None:
        async with asyncio.TaskGroup() as watchers:
            for number in range(self._count):
                watchers.create_task(self._keep(number, folder))

    async def _keep(self, number: int, folder: Path) -> None:
        """Starts it again whenever it ends."""
        backoff_seconds = BACKOFF_FIRST_SECONDS
        while True:
            began = time.monotonic()
            code = await self._processes[number].wait()
            if time.monotonic() - began > STEADY_SECONDS:
                backoff_seconds = BACKOFF_FIRST_SECONDS
            text = "API process %d ended with code %d; starting it again in %.1f s"
            logger.error(text, number, code, backoff_seconds)
            await asyncio.sleep(backoff_seconds)
            try:
                await self._start(number, folder)
            except (DidNotStart, InvalidSetting) as problem:
                logger.error("%s", problem)  # noqa: TRY400  # the worker has said more
            backoff_seconds = min(2 * backoff_seconds, BACKOFF_LAST_SECONDS)

    async def _start(self, number: int, folder: Path) -> None:
        """Returns when it listens."""
        process = await self._launch(number, folder)
        self._processes[number] = process
        assert process.stdout is not None, "it was asked for"
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                if await process.stdout.readline() == LISTENING:
                    return
                code = await process.wait()
        except TimeoutError:
            process.kill()
            raise DidNotStart(f"API process {number} did not listen in {START_SECONDS_MAX:.0f} s") from None
        kind = InvalidSetting if code == SETTINGS_EXIT_CODE else DidNotStart
        raise kind(f"API process {number} ended with code {code} before it listened")

    async def _launch(self, number: int, folder: Path) -> Process:
        arguments = map(str, (os.getpid(), number, self._count, folder))
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.worker",
            *arguments,
            env=with_settings(self._settings),
            stdin=DEVNULL,
            stdout=PIPE,
            start_new_session=True,  # a Ctrl-C in the terminal is for the one who ends them
        )

    async def _end_all(self) -> None:
        """All at once, each with the time that a process alone has."""
        running = [each for each in self._processes.values() if each.returncode is None]
        for each in running:
            each.terminate()
        try:
            async with asyncio.timeout(END_SECONDS_MAX):
                await asyncio.gather(*(each.wait() for each in running))
        except TimeoutError:
            logger.error("not every API process ended within %.0f s", END_SECONDS_MAX)  # noqa: TRY400
            for each in running:
                if each.returncode is None:
                    each.kill()


@contextmanager
def _shared_folder(count: int) -> Iterator[Path]:
    """What the workers share; a killed supervisor's is removed by the next API process that starts."""
    root = scratch_root("api")
    remove_leftovers(root)
    with open_scratch(root, uuid4()) as folder:
        provide_upload_table(folder, count)
        provide_counts(folder, count)
        yield folder
