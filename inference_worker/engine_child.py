"""The worker's side of one engine process: give it tasks, tell apart what it says of each, end it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from types import NoneType
from typing import Final, TypeAlias

import msgspec
import psutil
from msgspec import Struct

from inference_worker import faults
from inference_worker.child_messages import (
    Abandon,
    Abandoned,
    Aligned,
    AlignmentTask,
    Begin,
    ChildMessage,
    Faulted,
    Finished,
    Misconfigured,
    Order,
    Proceed,
    Ready,
    Said,
    Taken,
    Task,
    Unreachable,
    WindowDone,
    decode_said,
    encode_line,
)
from inference_worker.engine_server import EngineUnavailable
from inference_worker.faults import Fault
from inference_worker.turns import AT_ONCE, Turn
from infrastructure.media.forked_streams import ForkedProcess
from infrastructure.settings import InvalidSetting

READY_SECONDS_MAX: Final = 600.0
"""A model of several gigabytes on a slow disk."""
KILL_SECONDS_MAX: Final = 10.0
LAST_WORDS_SECONDS: Final = 1.0


class Deadlines(Struct, frozen=True, kw_only=True):
    """How long a process may be silent about a task, and how long an abandoned one may take to end.

    That is short where nobody else loses anything when the process is killed. Beside others it is long: half a minute
    of sound is heard in one piece, and what they would lose is more.
    """

    silence_seconds: float = 300.0
    alone_seconds: float = 0.5
    beside_seconds: float = 20.0


log = logging.getLogger(__name__)


Inbox: TypeAlias = asyncio.Queue[ChildMessage | None]
"""What was said of one task, at last None; few messages, since the process waits before it is two windows ahead."""

LAST_MESSAGES: Final = (Finished, Aligned, Faulted, Misconfigured, Abandoned)
"""With one of these a task has ended."""
ITSELF: Final = 0
"""The number of what is said of the process, and of no task."""
EVERYONE: Final = -1
NOBODY: Final = -2


class Interrupted(Exception):
    """The process ended, and not for certain because of this task: it may go on in another one."""

    def __init__(self, *, had_begun: bool) -> None:
        super().__init__("the engine's process ended")
        self.had_begun = had_begun


class EngineChild:
    """Several tasks at once. Once it has ended, or is told to, every task in it ends with a Fault or Interrupted."""

    def __init__(self, process: ForkedProcess, deadlines: Deadlines) -> None:
        self._process = process
        self._deadlines = deadlines
        self._inboxes: dict[int, Inbox] = {ITSELF: asyncio.Queue()}
        self._in_turn: set[int] = {ITSELF}
        """Those that the engine is at, or may be."""
        self._to_blame: int | None = None
        """The task for which the process had to be ended, where that is known."""
        self._listening = asyncio.create_task(self._listen())
        self._logging = asyncio.create_task(_log_lines(process))
        self._ending: set[asyncio.Task[None]] = set()
        self.task_count = 0
        """How many it was ever given."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._listening.done()

    @property
    def is_idle(self) -> bool:
        return not self._inboxes

    def resident_bytes(self) -> int:
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    async def greeting(self) -> Ready:
        """What it says first. Raises EngineUnavailable or InvalidSetting."""
        try:
            message = await self._next(ITSELF, READY_SECONDS_MAX)
        except (Fault, Interrupted) as problem:
            raise EngineUnavailable(f"the engine did not start: {problem}") from problem
        finally:
            del self._inboxes[ITSELF]
            self._in_turn.discard(ITSELF)
        match message:
            case Ready():
                return message
            case Misconfigured(problem=setting):
                raise InvalidSetting(setting)
            case Unreachable(problem=server):
                raise EngineUnavailable(f"the engine did not start: {server}")
            case _:
                raise EngineUnavailable("the engine spoke before it was ready")

    async def run(
        self, task: Task | AlignmentTask, turn: Turn = AT_ONCE
    ) -> AsyncGenerator[ChildMessage, None]:
        """The messages of one task from its turn on, Finished or Aligned as the last. Closing it abandons the task.

        Raises Fault or Interrupted, and InvalidSetting when no task can be done.
        """
        self.task_count += 1
        number = self.task_count
        self._open_inbox(number)
        ended = False
        try:
            self._order(Begin(number=number, task=task))
            await turn.comes()
            if self.is_alive:
                self._in_turn.add(number)
            self._order(Proceed(number=number))
            while not ended:
                message = await self._next(number, self._deadlines.silence_seconds)
                ended = isinstance(message, LAST_MESSAGES)
                if isinstance(message, Faulted):
                    raise Fault(message.reason, permanent=message.permanent)
                if isinstance(message, Misconfigured):
                    raise InvalidSetting(message.problem)
                yield message
                if isinstance(message, WindowDone):
                    self._order(Taken(number=number))
        finally:
            self._in_turn.discard(number)
            if ended or not self.is_alive:
                del self._inboxes[number]
            else:
                await self._abandon(number, in_haste=isinstance(task, Task))

    async def stop(self, to_blame: int = EVERYONE) -> None:
        """Kills it. The tasks in it end with a Fault if they are to blame, else they are Interrupted."""
        if self._to_blame is None:
            self._to_blame = to_blame
        try:
            self._process.kill()
            async with asyncio.timeout(KILL_SECONDS_MAX):
                await self._process.wait()
            # They end by themselves with the process, whose last words are often the reason.
            await asyncio.wait({self._listening, self._logging}, timeout=LAST_WORDS_SECONDS)
        finally:
            for each in {self._listening, self._logging, *self._ending} - {asyncio.current_task()}:
                each.cancel()
            self._process.close()

    def _open_inbox(self, number: int) -> None:
        self._inboxes[number] = asyncio.Queue()
        if self._listening.done():
            self._inboxes[number].put_nowait(None)

    async def _abandon(self, number: int, *, in_haste: bool) -> None:
        """Waits for a moment only: neither a slot nor whoever is being cancelled waits for the half minute in work."""
        self._ending.add(ending := asyncio.create_task(self._end(number, in_haste=in_haste)))
        ending.add_done_callback(self._ending.discard)
        await asyncio.wait({ending}, timeout=2 * self._deadlines.alone_seconds)

    async def _end(self, number: int, *, in_haste: bool) -> None:
        """Where it does not end at once it is killed if it is alone; else it may end what it is at, for the others.

        So may an alignment, which makes way for somebody who would have to wait for another process, and is at little.
        """
        self._order(Abandon(number=number))
        if await self._ends_within(number, self._deadlines.alone_seconds):
            return
        if (in_haste and self._is_alone(number)) or not await self._ends_within(
            number, self._deadlines.beside_seconds
        ):
            await self.stop(to_blame=number)

    async def _ends_within(self, number: int, timeout_seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not isinstance(await self._inboxes[number].get(), (*LAST_MESSAGES, NoneType)):
                    pass
            del self._inboxes[number]
            return True
        return False

    def _is_alone(self, number: int) -> bool:
        return self._inboxes.keys() == {number}

    async def _next(self, number: int, timeout_seconds: float) -> ChildMessage:
        try:
            async with asyncio.timeout(timeout_seconds):
                message = await self._inboxes[number].get()
        except TimeoutError:
            was_ending = self._to_blame is not None
            await self.stop(to_blame=number)
            raise (self._death(number) if was_ending else Fault(faults.ENGINE_STALLED)) from None
        if message is None:
            raise self._death(number)
        return message

    def _death(self, number: int) -> Exception:
        if self._to_blame in (number, EVERYONE):
            return Fault(faults.ENGINE_DIED)
        return Interrupted(had_begun=number in self._in_turn)

    def _order(self, order: Order) -> None:
        """Orders are small, and few wait; of a process that has ended, its end is what is heard next."""
        assert self._process.stdin is not None
        if self.is_alive:
            self._process.stdin.write(encode_line(order))

    async def _listen(self) -> None:
        """Whatever ends it, all who wait hear of it."""
        assert self._process.stdout is not None
        try:
            while (line := await self._process.stdout.readline()).endswith(b"\n"):
                self._hear(decode_said(line))
        except (ConnectionError, ValueError, msgspec.DecodeError) as problem:
            log.warning("the engine's process is ended: it said what cannot be read: %s", problem)
            self._process.kill()
        finally:
            self._bury()

    def _bury(self) -> None:
        """Who had it alone is to blame for its end, whatever it was; of several nobody knows which."""
        if self._to_blame is None:
            self._to_blame = next(iter(self._in_turn)) if len(self._in_turn) == 1 else NOBODY
        for inbox in self._inboxes.values():
            inbox.put_nowait(None)

    def _hear(self, said: Said) -> None:
        if isinstance(said.message, Faulted) and said.message.reason == faults.ENGINE_DIED:
            self._to_blame = said.number
        if said.number in self._inboxes:
            self._inboxes[said.number].put_nowait(said.message)


async def _log_lines(process: ForkedProcess) -> None:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        log.warning("engine: %s", line.decode(errors="replace").rstrip())
