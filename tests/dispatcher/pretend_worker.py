"""A worker that hears nothing and says what it is told to: jobs come and reports go through a real Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from domain.transcription_events import TranscriptionStarted
from infrastructure.kafka.jobs import JobConsumer
from infrastructure.kafka.reports import ReportProducer
from infrastructure.settings import Settings
from schemas.messages import AttemptSucceeded, ProgressReported, WorkerReady
from schemas.topics import Topics
from tests.builders import result

READY_SECONDS = 0.2


class PretendWorker:
    """`finishes` says whether it completes its jobs, once it may, or only goes on and on about them."""

    def __init__(
        self, jobs: JobConsumer, reports: ReportProducer, worker_id: UUID, *, finishes: bool
    ) -> None:
        self.worker_id = worker_id
        self.taken: list[TranscriptionStarted] = []
        self._jobs = jobs
        self._reports = reports
        self._finishes = finishes
        self._in_hand: list[TranscriptionStarted] = []
        self.may_finish = asyncio.Event()
        self.may_finish.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._announce())
            tasks.create_task(self._work())

    async def _announce(self) -> None:
        while True:
            running = tuple((each.transcription_id, each.attempt) for each in self._in_hand)
            ready = WorkerReady(worker_id=self.worker_id, engine="pretended", slots=1, running=running)
            await self._reports.send(ready)
            await asyncio.sleep(READY_SECONDS)

    async def _work(self) -> None:
        async for job in self._jobs:
            if isinstance(job, TranscriptionStarted):
                self.taken.append(job)
                self._in_hand.append(job)
                await self._report(job)

    async def _report(self, job: TranscriptionStarted) -> None:
        identity: Any = {"worker_id": self.worker_id, "transcription_id": job.transcription_id}
        await self._reports.send(
            ProgressReported(**identity, attempt=job.attempt, done_seconds=45.0, total_seconds=90.0)
        )
        if self._finishes:
            await self.may_finish.wait()
            self._in_hand.remove(job)
            heard = result(user_id=job.user_id, transcription_id=job.transcription_id)
            await self._reports.send(AttemptSucceeded(**identity, attempt=job.attempt, result=heard))


@asynccontextmanager
async def pretend_worker(settings: Settings, *, finishes: bool = True) -> AsyncIterator[PretendWorker]:
    """At work during the block; then it falls silent without a word."""
    topics, worker_id = Topics(settings.topic_prefix), uuid4()
    async with (
        JobConsumer(settings.kafka_bootstrap, topics, settings.partitions, worker_id) as jobs,
        ReportProducer(settings.kafka_bootstrap, topics) as reports,
        asyncio.TaskGroup() as tasks,
    ):
        worker = PretendWorker(jobs, reports, worker_id, finishes=finishes)
        working = tasks.create_task(worker.run())
        try:
            yield worker
        finally:
            working.cancel()
