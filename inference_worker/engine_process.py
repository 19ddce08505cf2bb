"""The worker's side of an engine process: start it, give it tasks, end it at once, notice its death."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Mapping
from functools import cache
from typing import Final

import msgspec
import psutil

from domain.languages import Abilities
from inference_worker import faults
from inference_worker.child_messages import (
    ChildMessage,
    Faulted,
    Finished,
    Misconfigured,
    Ready,
    Task,
    Unreachable,
    decode_message,
    encode_line,
)
from inference_worker.engines.choice import EngineChoice
from inference_worker.faults import Fault
from infrastructure.media.children import child_environment
from infrastructure.media.fork_server import ForkServer
from infrastructure.media.forked_streams import ForkedProcess, fork_process
from infrastructure.mendable import Mendable
from infrastructure.settings import InvalidSetting

CHILD: Final = "inference_worker.child"
READY_SECONDS_MAX: Final = 600.0
"""A model of several gigabytes on a slow disk."""
SILENCE_SECONDS_MAX: Final = 300.0
"""No engine needs longer for half a minute of sound; one that does is stuck."""
LINE_BYTES_MAX: Final = 1 << 24
"""A quarter of an hour of fast speech, each word with its times, is a tenth of this."""
KILL_SECONDS_MAX: Final = 10.0
LAST_WORDS_SECONDS: Final = 1.0
TASKS_MAX: Final = 100
RESIDENT_BYTES_MAX: Final = 6 << 30
"""Long-lived engines grow; after so many tasks, or so large, a fresh one takes over."""

_LIBRARIES: Final = {"faster-whisper": ("inference_worker.engines.faster_whisper",)}
"""What takes longest to import of each kind of engine; none of it starts a thread or touches a GPU before it is used.

Riva's takes a third of a second, and gRPC promises nothing to who forks after importing it.
"""
_GPU_VARIABLES: Final = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES")

log = logging.getLogger(__name__)


class EngineUnavailable(Mendable):
    """The engine process did not become ready; its own words are in the log."""


class EngineProcess:
    """One engine, one task at a time. After a task that was broken off, the next one gets a fresh process."""

    def __init__(
        self,
        choice: EngineChoice,
        *,
        tasks_max: int = TASKS_MAX,
        silence_seconds_max: float = SILENCE_SECONDS_MAX,
    ) -> None:
        self._choice = choice
        self._tasks_max = tasks_max
        self._silence_seconds_max = silence_seconds_max
        self._tasks = 0
        self._process: ForkedProcess | None = None
        self._stderr: asyncio.Task[None] | None = None
        self.name = ""
        """Set once the process has been ready for the first time."""
        self.abilities = Abilities()
        """So are these."""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def make_ready(self) -> None:
        """Starts the process unless a good one is there. Raises EngineUnavailable or InvalidSetting."""
        if self.pid is not None and not self._is_spent():
            return
        await self.stop()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def run(self, task: Task) -> AsyncGenerator[ChildMessage, None]:
        """The messages of one task, Finished as the last. Raises Fault, and InvalidSetting when no task can be done.

        Close it (`contextlib.aclosing`) to break the task off: that kills the process.
        """
        await self.make_ready()
        whole = False
        try:
            self._tasks += 1
            await self._send(task)
            while not whole:
                message = await self._receive(self._silence_seconds_max)
                whole = isinstance(message, Finished | Faulted)
                if isinstance(message, Faulted):
                    raise Fault(message.reason, permanent=message.permanent)
                if isinstance(message, Misconfigured):
                    raise InvalidSetting(message.problem)
                yield message
        finally:
            if not whole:
                await self.stop()

    async def stop(self) -> None:
        process, pump = self._process, self._stderr
        self._process = self._stderr = None
        try:
            if process is not None:
                await _end(process)
            if pump is not None:
                # It ends by itself with the process, whose last words are often the reason.
                await asyncio.wait({pump}, timeout=LAST_WORDS_SECONDS)
        finally:
            if pump is not None:
                pump.cancel()
            if process is not None:
                process.close()

    async def _start(self) -> None:
        self._tasks = 0
        try:
            self._process = await fork_process(
                _server(self._choice.kind),
                CHILD,
                msgspec.json.encode(self._choice).decode(),
                stdin=True,
                stderr=True,
                line_bytes_max=LINE_BYTES_MAX,
            )
        except OSError as problem:
            raise EngineUnavailable(f"the engine did not start: {problem}") from problem
        assert self._process.stderr is not None
        self._stderr = asyncio.create_task(_log_lines(self._process.stderr))
        ready = await self._receive_ready()
        self.name, self.abilities = ready.engine, ready.abilities

    async def _receive_ready(self) -> Ready:
        try:
            message = await self._receive(READY_SECONDS_MAX)
        except Fault as fault:
            raise EngineUnavailable(f"the engine did not start: {fault.reason}") from fault
        match message:
            case Ready():
                return message
            case Misconfigured(problem=problem):
                raise InvalidSetting(problem)
            case Unreachable(problem=problem):
                raise EngineUnavailable(f"the engine did not start: {problem}")
            case _:
                raise EngineUnavailable("the engine spoke before it was ready")

    async def _send(self, task: Task) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode_line(task))
            await self._process.stdin.drain()
        except ConnectionError as problem:
            raise Fault(faults.ENGINE_DIED) from problem

    async def _receive(self, timeout_seconds: float) -> ChildMessage:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_seconds):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise Fault(faults.ENGINE_STALLED) from None
        if not line.endswith(b"\n"):
            raise Fault(faults.ENGINE_DIED)
        return decode_message(line)

    def _is_spent(self) -> bool:
        return self._tasks >= self._tasks_max or _resident_bytes(self.pid) > RESIDENT_BYTES_MAX


@cache
def _server(kind: str) -> ForkServer:
    """One for all engines of that kind. It keeps the network, since an engine says itself whether it needs one."""
    return ForkServer(CHILD, *_LIBRARIES.get(kind, ()), offline=False, environment=_environment)


async def _end(process: ForkedProcess) -> None:
    if process.returncode is None:
        process.kill()
    async with asyncio.timeout(KILL_SECONDS_MAX):
        await process.wait()


def _environment() -> Mapping[str, str]:
    passed = {name: os.environ[name] for name in _GPU_VARIABLES if name in os.environ}
    return child_environment(HF_HUB_OFFLINE="1", GRPC_VERBOSITY="NONE", **passed)


def _resident_bytes(pid: int | None) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


async def _log_lines(stderr: asyncio.StreamReader) -> None:
    while line := await stderr.readline():
        log.warning("engine: %s", line.decode(errors="replace").rstrip())
