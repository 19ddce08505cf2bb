"""A worker with the scripted engine and everything else real but Kafka, which tells its parent what happens, a line each.

Arguments: the folder of the object store and the scratch, the recording's job and the number of the first attempt, both
as JSON. A failed attempt is followed by the next one, as the dispatcher would have it.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal

import msgspec
import uvloop
from msgspec import Struct

from domain.transcription_events import Job, Result
from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from inference_worker.job import Workplace
from inference_worker.ports import Assignment
from inference_worker.worker import Worker
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.process import collect_rarely
from schemas.messages import AttemptFaulted, AttemptSucceeded, ProgressReported, Report
from tests.builders import WORKER
from tests.inference_worker.assignments import assigned

SPEED: Final = 2_000.0
"""Faster than the decoder, so that ten hours take as long as their decoding."""
WINDOW_SECONDS: Final = 60.0
TICK_SECONDS: Final = 0.01


class Told(Struct, frozen=True, kw_only=True):
    """`at` is a monotonic time of this machine; `lag_seconds` the worst there was of the worker's event loop so far."""

    what: Literal["ready", "window", "progress", "fault", "done"]
    at: float
    lag_seconds: float
    engine_pid: int | None
    index: int = 0
    done_seconds: float = 0.0
    result: Result | None = None


class Parent:
    """Hears of everything, and hands the attempts out."""

    def __init__(self, job: Job, attempt: int, engine: EngineProcess) -> None:
        self.lag_seconds = 0.0
        self._engine = engine
        self._job = job
        self._attempts: asyncio.Queue[int] = asyncio.Queue()
        self._attempts.put_nowait(attempt)

    def tell(
        self,
        what: Literal["ready", "window", "progress", "fault", "done"],
        *,
        index: int = 0,
        done_seconds: float = 0.0,
        result: Result | None = None,
    ) -> None:
        told = Told(
            what=what,
            at=time.monotonic(),
            lag_seconds=self.lag_seconds,
            engine_pid=self._engine.pid,
            index=index,
            done_seconds=done_seconds,
            result=result,
        )
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()

    async def send(self, report: Report) -> None:
        match report:
            case ProgressReported():
                self.tell("progress", done_seconds=report.done_seconds)
            case AttemptFaulted():
                self.tell("fault")
                self._attempts.put_nowait(report.attempt + 1)
            case AttemptSucceeded():
                self.tell("done", result=report.result)
            case _:
                self.tell("ready")

    async def __aiter__(self) -> AsyncIterator[Assignment]:
        while True:
            yield assigned(self._job, await self._attempts.get())

    async def watch(self) -> None:
        """How much later than it should this task is woken."""
        while True:
            due = time.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self.lag_seconds = max(self.lag_seconds, time.monotonic() - due)


class TellingStore(FolderObjectStore):
    def __init__(self, root: Path, parent: Parent) -> None:
        super().__init__(root)
        self._parent = parent

    async def put(self, key: str, content: bytes) -> None:
        await super().put(key, content)
        if key.startswith("windows/"):
            self._parent.tell("window", index=int(Path(key).stem))


async def main(folder: Path, job: Job, attempt: int) -> None:
    engine = EngineProcess(EngineChoice(kind="scripted", speed=SPEED))
    parent = Parent(job, attempt, engine)
    worker = Worker(
        worker_id=WORKER,
        assignments=parent,
        reports=parent,
        engine=engine,
        slots=1,
        place=Workplace(
            store=TellingStore(folder / "objects", parent),
            scratch=folder / "scratch",
            window_seconds=WINDOW_SECONDS,
        ),
        ready_interval_seconds=2.0,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(parent.watch())
        tasks.create_task(worker.run())


if __name__ == "__main__":
    collect_rarely()
    uvloop.run(
        main(
            Path(sys.argv[1]),
            msgspec.json.decode(sys.argv[2], type=Job),
            msgspec.json.decode(sys.argv[3], type=int),
        )
    )
