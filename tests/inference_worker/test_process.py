"""The worker's process, on a real Kafka: it hears, works, reports, and ends when told to."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec
import pytest

from domain.attempts import WORKER_STOPPED
from domain.events import Event
from domain.transcription_events import Job
from infrastructure.kafka.reports import ReportConsumer
from infrastructure.media.children import child_environment
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.settings import Settings, to_environment
from schemas.messages import (
    AttemptFaulted,
    AttemptSucceeded,
    ProgressReported,
    Report,
    WorkerGone,
    WorkerLeaving,
    WorkerReady,
)
from schemas.partitions import partition_of
from schemas.topics import Topics, headers_of, job_headers_of
from tests.conftest import PARTITION_COUNT
from tests.inference_worker.assignments import assigned, store_tone, withdrawn
from tests.infrastructure.kafka.messages import fresh_topics, producing, record
from tests.stack.leashed import leashed
from tests.stack.waiting import END_SECONDS

DEADLINE_SECONDS = 60.0

Kind = TypeVar("Kind", bound=Report)


class Dispatcher:
    """The other end of the topics."""

    def __init__(self, settings: Settings, topics: Topics, reports: ReportConsumer) -> None:
        self.settings = settings
        self._topics = topics
        self._reports = reports
        self._seq = 0

    async def next(self, kind: type[Kind], accept: Callable[[Kind], bool] = lambda _: True) -> Kind:
        """The next report of this kind; others on the way are passed over."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                found = _of(kind, await self._reports.next_batch(1.0))
                for report in found:
                    if accept(report):
                        return report

    async def send(self, worker_id: UUID, event: Event) -> None:
        self._seq += 1
        sent = record(self._seq, event=event)
        async with producing(self.settings.kafka_bootstrap) as producer:
            await producer.send(
                self._topics.jobs,
                sent.data,
                str(worker_id).encode(),
                partition_of(worker_id, self.settings.partitions),
                headers=job_headers_of(headers_of(sent), sent.partition),
            )


def _of(kind: type[Kind], batch: Iterable[tuple[int, int, Report]]) -> list[Kind]:
    return [report for _, _, report in batch if isinstance(report, kind)]


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> Settings:
    return Settings(
        kafka_bootstrap=kafka,
        partitions=PARTITION_COUNT,
        object_store=f"file://{tmp_path}/objects",
        engine="scripted",
        scripted_speed=20.0,
        window_seconds=10.0,
        ready_interval_seconds=0.5,
    )


@pytest.fixture
async def job(store: FolderObjectStore, tmp_path: Path) -> Job:
    return await store_tone(store, tmp_path, seconds=60.0)


@asynccontextmanager
async def worker_process(settings: Settings, temporary: Path) -> AsyncIterator[Process]:
    """Killed at the end, if it has not ended by then."""
    process = await asyncio.create_subprocess_exec(
        *leashed(sys.executable, "-m", "inference_worker"),
        env=child_environment(TMPDIR=str(temporary), **to_environment(settings)),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def at_work(settings: Settings, temporary: Path) -> AsyncIterator[tuple[Process, Dispatcher, UUID]]:
    """A worker that has said it is ready, its dispatcher, and the worker's id."""
    topics = await fresh_topics(settings.kafka_bootstrap, PARTITION_COUNT)
    settings = msgspec.structs.replace(settings, topic_prefix=topics.prefix)
    async with (
        ReportConsumer(settings.kafka_bootstrap, topics) as reports,
        worker_process(settings, temporary) as process,
    ):
        dispatcher = Dispatcher(settings, topics, reports)
        ready = await dispatcher.next(WorkerReady)
        yield process, dispatcher, ready.worker_id


async def ends(process: Process) -> int:
    async with asyncio.timeout(END_SECONDS):
        return await process.wait()


async def test_an_assignment_is_carried_out_and_reported(
    settings: Settings, job: Job, store: FolderObjectStore, tmp_path: Path
) -> None:
    async with at_work(settings, tmp_path) as (process, dispatcher, worker_id):
        await dispatcher.send(worker_id, assigned(job, worker_id=worker_id))
        await dispatcher.next(ProgressReported)
        succeeded = await dispatcher.next(AttemptSucceeded)
        assert await store.exists(succeeded.result.transcript_key)
        process.send_signal(signal.SIGINT)
        assert await ends(process) == 0


async def test_a_cancelled_attempt_frees_the_worker(settings: Settings, job: Job, tmp_path: Path) -> None:
    async with at_work(settings, tmp_path) as (_, dispatcher, worker_id):
        await dispatcher.send(worker_id, assigned(job, worker_id=worker_id))
        await dispatcher.next(WorkerReady, lambda ready: bool(ready.running))
        await dispatcher.send(worker_id, withdrawn())
        await dispatcher.next(WorkerReady, lambda ready: not ready.running)


async def test_sigterm_hands_the_attempt_over_and_leaves_nothing(
    settings: Settings, job: Job, tmp_path: Path
) -> None:
    async with at_work(settings, tmp_path) as (process, dispatcher, worker_id):
        await dispatcher.send(worker_id, assigned(job, worker_id=worker_id))
        await dispatcher.next(ProgressReported)
        process.terminate()
        assert await ends(process) == 0
        leaving = await dispatcher.next(WorkerLeaving)
        assert leaving.worker_id == worker_id
    assert not list(tmp_path.glob("stenolog-worker-*/*"))


async def test_sigterm_is_a_transient_fault_of_what_was_in_hand(
    settings: Settings, job: Job, tmp_path: Path
) -> None:
    async with at_work(settings, tmp_path) as (process, dispatcher, worker_id):
        await dispatcher.send(worker_id, assigned(job, worker_id=worker_id))
        await dispatcher.next(ProgressReported)
        process.terminate()
        faulted = await dispatcher.next(AttemptFaulted)
        assert (faulted.reason, faulted.permanent) == (WORKER_STOPPED, False)
        assert await ends(process) == 0


async def test_a_worker_says_which_worker_of_its_machine_was_killed(
    settings: Settings, tmp_path: Path
) -> None:
    async with at_work(settings, tmp_path) as (process, dispatcher, worker_id):
        process.kill()
        await process.wait()
        async with worker_process(dispatcher.settings, tmp_path):
            gone = await dispatcher.next(WorkerGone)
            assert gone.worker_id == worker_id


async def test_a_worker_that_is_only_frozen_is_not_declared_dead(
    settings: Settings, tmp_path: Path
) -> None:
    async with at_work(settings, tmp_path) as (frozen, dispatcher, worker_id):
        frozen.send_signal(signal.SIGSTOP)
        async with worker_process(dispatcher.settings, tmp_path) as other:
            ready = await dispatcher.next(WorkerReady, lambda ready: ready.worker_id != worker_id)
            other.terminate()
            gone = await dispatcher.next(WorkerGone)
            assert gone.worker_id == ready.worker_id


async def test_a_wrong_model_is_one_line_and_exit_code_two(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    wrong = msgspec.structs.replace(
        settings, engine="faster-whisper", model=str(tmp_path), topic_prefix=topics.prefix
    )
    assert (await last_words(wrong, tmp_path))[-1].startswith("STENOLOG_MODEL: ")


async def test_another_number_of_partitions_is_one_line_and_exit_code_two(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    wrong = msgspec.structs.replace(settings, partitions=PARTITION_COUNT + 1, topic_prefix=topics.prefix)
    [line] = await last_words(wrong, tmp_path)
    assert line.startswith(f"topic {topics.jobs} has {PARTITION_COUNT} partitions")
    assert f"STENOLOG_PARTITIONS is {PARTITION_COUNT + 1}: set it to {PARTITION_COUNT}" in line


async def last_words(settings: Settings, temporary: Path) -> list[str]:
    """What a worker that does not start says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "inference_worker",
        env=child_environment(TMPDIR=str(temporary), **to_environment(settings)),
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        _, said = await process.communicate()
    assert process.returncode == 2
    return said.decode().splitlines()
