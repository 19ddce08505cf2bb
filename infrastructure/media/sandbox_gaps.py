"""Finds out which parts of the sandbox are not in force on this machine, by trying them."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from infrastructure.media.children import child_command, child_environment
from infrastructure.media.sandbox import Granted

CHILD: Final = "infrastructure.media.sandbox_child"
TRY_SECONDS_MAX: Final = 20.0

log = logging.getLogger(__name__)


async def sandbox_gaps(*, through: Sequence[str] = ()) -> Sequence[str]:
    """What a recording could do that took its decoder over; empty when everything is in force. Also logs it.

    `through` is a program that runs the command it is given.
    """
    command = [*through, *child_command(CHILD, str(Path(__file__)))]
    try:
        gaps = _gaps(await _granted(command))
    except (OSError, TimeoutError, msgspec.DecodeError) as problem:
        gaps = [f"could not be tried ({type(problem).__name__})"]
    for gap in gaps:
        log.warning("the sandbox around media: %s", gap)
    return gaps


async def _granted(command: Sequence[str]) -> Granted:
    """Raises OSError, TimeoutError or DecodeError."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=child_environment(),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(TRY_SECONDS_MAX):
            answer, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return msgspec.json.decode(answer, type=Granted)


def _gaps(granted: Granted) -> list[str]:
    gaps = []
    if not granted.limits:
        gaps.append("memory and time are not limited: this system does not know the limits")
    if not granted.other_files:
        gaps.append(
            "other files can be read: the kernel has no Landlock, or it is switched off (Linux 5.13)"
        )
    if not granted.network:
        gaps.append("the network can be reached: neither a network namespace nor Landlock 4 (Linux 6.7)")
    return gaps
