"""Runs an example as a program of its own: to its end, or until it is killed."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from msgspec import Struct

from infrastructure.processes import ROOT
from schemas.topics import Topics

EXAMPLES = ROOT / "examples"
SECONDS = 60.0
KILLED_WITHIN_SECONDS = (0.2, 1.4)
"""Before it has started, while it reads, while it writes."""


class Answer(Struct, frozen=True):
    code: int
    output: str
    said: str


class Program(Struct, frozen=True):
    """One of the examples, on a topic, and the file or folder that it writes."""

    name: str
    kafka: str
    topics: Topics
    target: Path

    @property
    def arguments(self) -> list[str]:
        where = ["--bootstrap", self.kafka, "--topic", self.topics.events, str(self.target)]
        return [sys.executable, str(EXAMPLES / self.name), *where]

    async def run(self, *more: str) -> Answer:
        return await run_to_its_end(*self.arguments, *more, environment=bare_environment())

    @asynccontextmanager
    async def running(self, *more: str) -> AsyncIterator[Process]:
        """Until the end of the block, where it is killed."""
        process = await asyncio.create_subprocess_exec(
            *self.arguments, *more, env=bare_environment(), stdout=PIPE, stderr=PIPE
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def killed_at_random(self, chance: Random, *more: str) -> None:
        """Some time after its start. Fails where it ended by itself."""
        async with self.running(*more) as process:
            await asyncio.wait(
                {ending := asyncio.ensure_future(process.wait())},
                timeout=chance.uniform(*KILLED_WITHIN_SECONDS),
            )
            assert not ending.done(), "it ended by itself"
            process.kill()
            await ending


async def run_to_its_end(*command: str, environment: Mapping[str, str], seconds: float = SECONDS) -> Answer:
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(seconds):
            output, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Answer(process.returncode, output.decode(), said.decode())


async def stenolog(database_url: str, *arguments: str) -> Answer:
    """The console command, on this database."""
    environment = bare_environment() | {"PYTHONPATH": str(ROOT), "STENOLOG_DATABASE_URL": database_url}
    return await run_to_its_end(sys.executable, "-m", "cli", *arguments, environment=environment)


def bare_environment() -> dict[str, str]:
    """Without our settings, and without our packages on the path."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STENOLOG_") and name != "PYTHONPATH"
    }
