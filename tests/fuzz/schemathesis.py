"""How schemathesis is started: what it asks, what it looks at in the answers, and what it is told to leave out."""

import asyncio
import sys
from pathlib import Path
from typing import Final

from msgspec import Struct

ENDLESS: Final = "/events$"
"""Paths whose answers go on for ever, for a tool that waits for the end of each."""
UNKNOWN_TO_A_SCHEMA: Final = "positive_data_acceptance"
"""The check that everything a schema allows is accepted: no schema says that a cursor was given out, a time has not passed, or bytes are a recording."""
REQUEST_SECONDS_MAX: Final = 60
STOP_SECONDS_MAX: Final = 60.0


class Fuzz(Struct, frozen=True, kw_only=True):
    """`seconds` bounds the whole; without a seed each run asks something else."""

    url: str
    token: str
    seconds: int
    seed: int | None = None
    examples: int = 50

    @property
    def command(self) -> list[str]:
        seed = [] if self.seed is None else [f"--seed={self.seed}"]
        return [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{self.url}/schema/openapi.json",
            f"--header=Authorization: Bearer {self.token}",
            "--phases=examples,coverage,fuzzing,stateful",
            "--checks=all",
            f"--exclude-checks={UNKNOWN_TO_A_SCHEMA}",
            f"--exclude-path-regex={ENDLESS}",
            f"--max-examples={self.examples}",
            f"--max-time={self.seconds}",
            f"--request-timeout={REQUEST_SECONDS_MAX}",
            "--continue-on-failure",
            "--warnings=off",
            "--no-color",
            *seed,
        ]


async def found_nothing(fuzz: Fuzz, folder: Path) -> tuple[bool, str]:
    """Whether it found nothing, and what it says; it writes into `folder`."""
    process = await asyncio.create_subprocess_exec(
        *fuzz.command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(fuzz.seconds + REQUEST_SECONDS_MAX + STOP_SECONDS_MAX):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode == 0, said.decode(errors="replace")
