"""Group commit: appends that wait at the same time share one round trip and one commit."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.log import Address, VersionConflict
from domain.ports import PartitionDetached
from infrastructure.postgres.appending import NewEvents, append_group, held_partitions
from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.retry import retried
from infrastructure.telemetry.kinds import NO_LABELS
from infrastructure.telemetry.metrics import GROUP_COMMANDS, VERSION_CONFLICTS

NO_ANSWER: Final = "the event log did not answer in time: what was to be appended may be stored or not"

PATIENCE_SECONDS: Final = 0.2
"""Far longer than a group of another process takes to commit."""

_logger = logging.getLogger(__name__)


class GroupLimits(Struct, frozen=True, kw_only=True):
    """`overtaken_max` bounds how far into the line a group looks past commands whose stream is taken."""

    commands_max: int = 256
    bytes_max: int = 1 << 20
    overtaken_max: int = 256
    waiting_max: int = 10_000


@dataclass(eq=False, slots=True)
class Waiting:
    """A command in line, and where its caller waits for the answer."""

    command: NewEvents
    answer: asyncio.Future[Address]


def take_group(line: deque[Waiting], limits: GroupLimits) -> list[Waiting]:
    """Removes the next group from the line: no two of a stream, and each stream's commands in their order."""
    group: list[Waiting] = []
    overtaken: list[Waiting] = []
    streams: set[str] = set()
    size_bytes = 0
    while line and len(group) < limits.commands_max and len(overtaken) < limits.overtaken_max:
        waiting = line.popleft()
        if waiting.answer.done():
            continue  # Its caller has given up.
        try:
            touched = waiting.command.stream_ids
        except Exception as problem:  # noqa: BLE001 - whatever cannot be stored of it is its caller's, and the others go on
            _answer(waiting, problem)
            continue
        size_bytes += waiting.command.size_bytes
        if not streams.isdisjoint(touched) or (group and size_bytes > limits.bytes_max):
            overtaken.append(waiting)
            size_bytes -= waiting.command.size_bytes
        else:
            group.append(waiting)
        streams |= touched
    line.extendleft(reversed(overtaken))
    return group


class PartitionsHeld(Exception):
    """Somebody else keeps them locked for longer than a group waits; nothing was appended."""

    def __init__(self, partitions: Collection[int]) -> None:
        super().__init__(f"the partitions {sorted(partitions)} are held")
        self.partitions = partitions


class GroupWriter:
    """One task that appends for all callers. Run it in a task whose owner awaits it: when it ends, so do all waits.

    With `set_apart` a group waits for its partitions for PATIENCE_SECONDS at most; then the commands of those that
    are held are handed to that, and the others go on. Without it a group waits as long as the session does.
    """

    def __init__(
        self,
        pool: Pool,
        limits: GroupLimits,
        deadline_seconds: float,
        set_apart: Callable[[Sequence[Waiting]], None] | None = None,
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._deadline_seconds = deadline_seconds
        self._set_apart = set_apart
        self._line: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._connection: PoolConnectionProxy[asyncpg.Record] | None = None
        self._has_written = False
        self._closing = False

    async def append(self, command: NewEvents) -> Address:
        """Raises VersionConflict, or DatabaseUnavailable when there is no answer by the deadline."""
        if self._closing or len(self._line) >= self._limits.waiting_max:
            raise DatabaseUnavailable("the event log takes no more commands now")
        loop = asyncio.get_running_loop()
        waiting = Waiting(command, loop.create_future())
        self._line.append(waiting)
        self._arrived.set()
        # A timer of its own costs half of what asyncio.timeout does, and this is the hot path.
        timer = loop.call_later(self._deadline_seconds, _answer, waiting, DatabaseUnavailable(NO_ANSWER))
        try:
            return await waiting.answer
        finally:
            timer.cancel()

    def take_over(self, waiting: Sequence[Waiting]) -> None:
        """Puts commands in line whose callers wait already."""
        self._line.extend(waiting)
        self._arrived.set()

    def close(self) -> None:
        """Takes no more commands; `run` ends when those in line are written."""
        self._closing = True
        self._arrived.set()

    async def run(self) -> None:
        """Until it was closed and nothing is in line."""
        try:
            while self._line or not self._closing:
                await self._write_next()
        finally:
            await self.end()

    async def run_until_idle(self) -> None:
        """Until nothing is in line and the last group was written. The caller ends it."""
        while self._line or not (self._has_written or self._closing):
            await self._write_next()

    async def end(self) -> None:
        self._closing = True
        _answer_all(self._line, DatabaseUnavailable("the event log's writer has ended"))
        await self._disconnect()

    async def _write_next(self) -> None:
        if not self._line:
            self._arrived.clear()
            await self._arrived.wait()
        group = take_group(self._line, self._limits)
        if not group:
            return
        try:
            await self._write(group)
        except PartitionsHeld as held:
            self._part(group, held.partitions)
        except BaseException:
            _answer_all(group, DatabaseUnavailable("the event log's writer was stopped"))
            raise
        # Lets the callers that were just answered join the next group.
        await asyncio.sleep(0)

    async def _write(self, group: Sequence[Waiting]) -> None:
        """Answers everybody in the group."""
        self._has_written = False
        try:
            answers = await self._append([waiting.command for waiting in group])
        except PartitionsHeld:
            raise
        except PartitionDetached as problem:
            await self._write_others(group, problem)
        except DatabaseUnavailable as problem:
            _answer_all(group, problem)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the callers get it and the writer goes on
            if len(group) == 1:
                # Only the kind of the error: its text may quote an event.
                _logger.error("the log refused the events of a command: %s", type(problem).__name__)  # noqa: TRY400
                _answer_all(group, problem)
                return
            # One command holds something the database does not take: alone, it fails alone.
            for waiting in group:
                await self._write([waiting])
        else:
            _count(group, answers)
            for waiting, answer in zip(group, answers, strict=True):
                _answer(waiting, answer)
            self._has_written = True

    async def _write_others(self, group: Sequence[Waiting], problem: PartitionDetached) -> None:
        """Refuses the commands of detached partitions, and writes the rest."""
        refused = [each for each in group if each.command.partition in problem.partitions]
        _answer_all(refused, problem)
        if rest := [each for each in group if each not in refused]:
            await self._write(rest)

    def _part(self, group: Sequence[Waiting], held: Collection[int]) -> None:
        """Sets the commands of held partitions apart, also those in line, so that each stream keeps its order."""
        assert self._set_apart is not None
        line = [*group, *self._line]
        self._set_apart([each for each in line if each.command.partition in held])
        self._line = deque(each for each in line if each.command.partition not in held)

    async def _append(self, commands: Sequence[NewEvents]) -> list[Address | VersionConflict]:
        return await retried(lambda: self._send(commands), self._deadline_seconds)

    async def _send(self, commands: Sequence[NewEvents]) -> list[Address | VersionConflict]:
        """Raises PartitionsHeld."""
        if self._connection is None:
            self._connection = await self._pool.acquire()
        patience_seconds = PATIENCE_SECONDS if self._set_apart else None
        try:
            try:
                return await append_group(self._connection, commands, patience_seconds)
            except asyncpg.LockNotAvailableError:
                if self._set_apart is None:
                    raise
                partitions = {command.partition for command in commands}
                raise PartitionsHeld(await held_partitions(self._connection, partitions)) from None
        except (PartitionsHeld, PartitionDetached):
            raise
        except BaseException:
            # Whatever state the connection is in, a new one is in a known one.
            await self._disconnect()
            raise

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # A connection that was lost has already gone back to the pool.
            with suppress(asyncpg.InterfaceError):
                connection.terminate()
            await self._pool.release(connection)


def _count(group: Sequence[Waiting], answers: Sequence[Address | VersionConflict]) -> None:
    GROUP_COMMANDS.observe(NO_LABELS, sum(len(waiting.command.decisions) for waiting in group))
    conflicts = sum(isinstance(answer, VersionConflict) for answer in answers)
    VERSION_CONFLICTS.add(NO_LABELS, conflicts)


def _answer_all(line: Iterable[Waiting], problem: Exception) -> None:
    for waiting in line:
        _answer(waiting, problem)


def _answer(waiting: Waiting, answer: Address | Exception) -> None:
    if waiting.answer.done():
        return
    if isinstance(answer, Exception):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)
