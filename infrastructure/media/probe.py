"""Finds out what an uploaded file is, in a sandboxed child process that may be killed."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from domain.media_errors import EmptyFile, MediaTooLong, NotMedia
from infrastructure.media.answers import Answer, MediaFacts, Refused, decode_answer, rejection_of
from infrastructure.media.fork_server import LOST, ForkServer
from infrastructure.media.forked_streams import ForkedProcess, fork_process
from infrastructure.media.sandbox import Limits
from infrastructure.media.warm import MEDIA_CHILDREN, PROBE

__all__ = ["MediaFacts", "ProbeFailed", "ProbeLimits", "probe"]

ANSWER_BYTES_MAX: Final = 64 * 1024
KILL_SECONDS_MAX: Final = 10.0

log = logging.getLogger(__name__)


class ProbeFailed(Exception):
    """The probing process could not do its work; what it said is in this process's standard error."""


class ProbeLimits(Struct, frozen=True, kw_only=True):
    """`seconds_max` is how long a recording may last, `deadline_seconds` how long the probe may take."""

    seconds_max: float
    deadline_seconds: float = 60.0
    child: Limits = Limits()


async def probe(path: Path, limits: ProbeLimits, server: ForkServer = MEDIA_CHILDREN) -> MediaFacts:
    """Raises EmptyFile, NotMedia, NoAudio, TruncatedMedia or MediaTooLong.

    Raises TimeoutError when this machine was too busy to find out in time, and ProbeFailed when the probe
    itself is broken: neither says anything about the file.
    """
    if not await asyncio.to_thread(_size, path):
        raise EmptyFile
    match await _ask_child(path, limits, server):
        case MediaFacts(duration_seconds=duration_seconds) if duration_seconds > limits.seconds_max:
            raise MediaTooLong(limits.seconds_max)
        case MediaFacts() as facts:
            return facts
        case Refused() as refusal:
            raise rejection_of(refusal)
        case _:
            raise NotMedia


def _size(path: Path) -> int:
    return path.stat().st_size


async def _ask_child(path: Path, limits: ProbeLimits, server: ForkServer) -> Answer:
    """Once more when the server died: that is nothing the file can help, or at most once."""
    arguments = (msgspec.json.encode(limits.child).decode(), str(path), str(limits.seconds_max))
    async with asyncio.timeout(limits.deadline_seconds):
        answer, exit_code = await _run_child(server, arguments)
        if exit_code == LOST:
            answer, exit_code = await _run_child(server, arguments)
    return _decode(answer, exit_code)


async def _run_child(server: ForkServer, arguments: Sequence[str]) -> tuple[bytes, int]:
    try:
        child = await fork_process(server, PROBE, *arguments)
    except OSError as problem:
        raise ProbeFailed(str(problem)) from problem
    try:
        return await _read_answer(child), await child.wait()
    finally:
        await _end(child)


async def _read_answer(child: ForkedProcess) -> bytes:
    assert child.stdout is not None
    answer = b""
    while rest := await child.stdout.read(ANSWER_BYTES_MAX):
        answer += rest
        if len(answer) > ANSWER_BYTES_MAX:
            raise NotMedia  # Only a process that the file has taken over says so much.
    return answer


async def _end(child: ForkedProcess) -> None:
    try:
        child.kill()
        async with asyncio.timeout(KILL_SECONDS_MAX):
            await child.wait()
    finally:
        child.close()


def _decode(answer: bytes, exit_code: int) -> Answer:
    """A crash is the file's doing, an error exit is ours."""
    if exit_code < 0:
        log.warning("a media probe was ended by signal %d", -exit_code)
        raise NotMedia
    if exit_code > 0:
        raise ProbeFailed(f"the media probe exited with code {exit_code}")
    try:
        return decode_answer(answer)
    except msgspec.DecodeError as problem:
        raise NotMedia from problem
