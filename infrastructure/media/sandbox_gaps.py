"""Finds out which parts of the sandbox are not in force on this machine, by trying them."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from infrastructure.media.fork_server import ForkServer
from infrastructure.media.forked_streams import fork_process
from infrastructure.media.sandbox import Granted
from infrastructure.media.warm import MEDIA_CHILDREN, SANDBOX

TRY_SECONDS_MAX: Final = 20.0

log = logging.getLogger(__name__)


async def sandbox_gaps(server: ForkServer = MEDIA_CHILDREN) -> Sequence[str]:
    """What a recording could do that took its decoder over; empty when everything is in force. Also logs it."""
    try:
        gaps = _gaps(await _granted(server))
    except (OSError, TimeoutError, msgspec.DecodeError) as problem:
        gaps = [f"could not be tried ({type(problem).__name__})"]
    for gap in gaps:
        log.warning("the sandbox around media: %s", gap)
    return gaps


async def _granted(server: ForkServer) -> Granted:
    """Raises OSError, TimeoutError or DecodeError."""
    async with asyncio.timeout(TRY_SECONDS_MAX):
        child = await fork_process(server, SANDBOX, str(Path(__file__)))
        try:
            assert child.stdout is not None
            answer = await child.stdout.read()
        finally:
            child.close()
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
