"""Our processes, run until they end by themselves, and what they had to say."""

import asyncio
import sys

from msgspec import Struct

from infrastructure.processes import with_settings
from infrastructure.settings import Settings

END_SECONDS = 60.0


class Ended(Struct, frozen=True, kw_only=True):
    code: int
    lines: list[str]
    """Of its standard error."""


async def run_to_its_end(settings: Settings, *module: str, **environment: str) -> Ended:
    """`python -m module` with these settings; killed, and a failure, when it goes on for a minute."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *module,
        env=with_settings(settings) | environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(END_SECONDS):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(code=process.returncode, lines=said.decode().splitlines())
