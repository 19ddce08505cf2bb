"""Ends processes that a killed predecessor left behind, and never a stranger that got one of their numbers."""

import asyncio
import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import psutil
from msgspec import Struct

from embedded.stack_folder import write_private

_PATIENCE_SECONDS: Final = 5.0
_CLOCK_SECONDS: Final = 1.0
"""How far two readings of one process's start may lie apart."""


class Recorded(Struct, frozen=True):
    """A process by number and start, which together are never reused."""

    pid: int
    started_at: float
    """Seconds since 1970."""


class ProcessRecord:
    """A file with the processes that run, kept current for whoever has to clean up after us."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._running: dict[str, Recorded] = {}

    def started(self, name: str, pid: int) -> None:
        """A process that has ended already is not worth recording."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._running[name] = Recorded(pid, psutil.Process(pid).create_time())
            write_private(self._file, msgspec.json.encode(self._running))

    def all_ended(self) -> None:
        self._file.unlink(missing_ok=True)

    async def end_leftovers(self) -> Sequence[str]:
        """Ends what the file says still runs; returns the names of what did."""
        recorded = self._read()
        families = {name: family for name, process in recorded.items() if (family := _family(process))}
        await _end([member for family in families.values() for member in family])
        self.all_ended()
        return list(families)

    def _read(self) -> Mapping[str, Recorded]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Recorded])
        except FileNotFoundError:
            return {}


async def end_leftover(pid: int, argument: str) -> None:
    """Ends process `pid` with its children, if `argument` is part of its command line."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if argument in process.cmdline():
            await _end([process, *process.children(recursive=True)])


def _family(recorded: Recorded) -> Sequence[psutil.Process]:
    """The process, its descendants, and what is left of its group when it is gone itself."""
    try:
        process = psutil.Process(recorded.pid)
        if abs(process.create_time() - recorded.started_at) > _CLOCK_SECONDS:
            return []
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:  # It may also end while its children are looked for.
        return [member for member in psutil.process_iter() if _belongs(member, recorded)]


def _belongs(member: psutil.Process, recorded: Recorded) -> bool:
    try:
        in_group = os.getpgid(member.pid) == recorded.pid
        return in_group and member.create_time() >= recorded.started_at - _CLOCK_SECONDS
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


async def _end(processes: Iterable[psutil.Process]) -> None:
    """Asks, waits a few seconds, kills."""
    alive = list(processes)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = await asyncio.to_thread(psutil.wait_procs, alive, _PATIENCE_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    await asyncio.to_thread(psutil.wait_procs, alive, _PATIENCE_SECONDS)
