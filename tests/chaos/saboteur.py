"""Does to a running installation what a schedule of faults says."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, assert_never

import asyncpg
import psutil

from tests.chaos.company import Company
from tests.chaos.faults import POSTGRES, Fault, Kind
from tests.end_to_end.installation import Installation

PATIENCE_SECONDS: Final = 20.0
"""How long a fault waits for its target to be there: `up` waits up to 10 s before it starts something again."""
LOOK_SECONDS: Final = 0.05

CUT_ALL = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""


class Saboteur:
    """`done` counts the faults that hit, by kind and target; `missed` those whose target never came back in time."""

    def __init__(self, running: Installation, company: Company, faults: Sequence[Fault]) -> None:
        self._running = running
        self._company = company
        self._faults = faults
        self.done: Counter[tuple[Kind, str]] = Counter()
        self.missed: Counter[tuple[Kind, str]] = Counter()

    async def works(self) -> None:
        """Returns when the last fault is over and everything frozen has been thawed."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as under_way:
            for fault in self._faults:
                await asyncio.sleep(max(0.0, began + fault.at_seconds - time.monotonic()))
                under_way.create_task(self._inflict(fault))

    async def _inflict(self, fault: Fault) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS + fault.lasts_seconds):
                while not await self._hits(fault):
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            self.missed[fault.kind, fault.target] += 1
        else:
            self.done[fault.kind, fault.target] += 1

    async def _hits(self, fault: Fault) -> bool:
        """Whether there was something to do it to."""
        match fault.kind:
            case Kind.CUT:
                return await self._cut()
            case Kind.SEVER:
                self._company.line.cut()
                return True
            case Kind.SILENCE:
                return await self._silence(fault.lasts_seconds)
            case Kind.KILL | Kind.FREEZE | Kind.RESTART:
                process = self._process(fault.target)
                return process is not None and await _strike(process, fault)
            case _:
                assert_never(fault.kind)

    def _process(self, name: str) -> psutil.Process | None:
        """None while it is dead."""
        if server := self._company.servers.get(name):
            pid, started_at = server.pid, None
        else:
            recorded = self._running.processes()[name]
            pid, started_at = recorded.pid, recorded.started_at
        try:
            process = psutil.Process(pid) if pid else None
            if process is None or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process if started_at in (None, process.create_time()) else None

    async def _silence(self, seconds: float) -> bool:
        """False while an earlier one lasts."""
        line = self._company.line
        if line.is_silent:
            return False
        line.fall_silent()
        try:
            await asyncio.sleep(seconds)
        finally:
            line.recover()
        return True

    async def _cut(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS / 4), self._running.database() as database:
                return bool(await database.fetchval(CUT_ALL))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False


async def _strike(process: psutil.Process, fault: Fault) -> bool:
    match fault.kind:
        case Kind.FREEZE if process.status() == psutil.STATUS_STOPPED:
            return False
        case Kind.FREEZE:
            return await _freeze(process, fault.lasts_seconds)
        case Kind.KILL:
            return _send(process, signal.SIGKILL)
        case _:
            # What each of them understands as the order to end soon and cleanly.
            return _send(process, signal.SIGINT if fault.target == POSTGRES else signal.SIGTERM)


def _send(process: psutil.Process, number: signal.Signals) -> bool:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


async def _freeze(process: psutil.Process, seconds: float) -> bool:
    """The process with its children, which would otherwise tell on it."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return False
    frozen = [member for member in family if _send(member, signal.SIGSTOP)]
    try:
        await asyncio.sleep(seconds)
    finally:
        for member in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()
    return bool(frozen)
