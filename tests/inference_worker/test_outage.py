"""A worker sits an outage of Kafka out, with its engine loaded, and ends when told to meanwhile."""

import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from embedded.brokers import Broker
from infrastructure.kafka.reports import ReportConsumer
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.settings import Settings
from schemas.messages import AttemptSucceeded, WorkerReady
from schemas.topics import Topics
from tests.inference_worker.assignments import assigned, store_tone
from tests.inference_worker.test_process import Dispatcher, ends, worker_process
from tests.infrastructure.kafka.brokers import own_broker
from tests.stack.waiting import START_SECONDS, eventually

TOPICS = Topics("outage")


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with own_broker(tmp_path, TOPICS) as server:
        yield server


@pytest.fixture
def settings(broker: Broker, tmp_path: Path) -> Settings:
    return Settings(
        kafka_bootstrap=broker.bootstrap,
        topic_prefix=TOPICS.prefix,
        partitions=1,
        object_store=f"file://{tmp_path}/objects",
        engine="scripted",
        ready_interval_seconds=0.5,
    )


async def stop(broker: Broker) -> None:
    broker.kill()
    await broker.wait()


def engines(worker: Process) -> set[int]:
    return {child.pid for child in psutil.Process(worker.pid).children(recursive=True)}


@pytest.mark.slow
async def test_a_worker_goes_on_after_an_outage_with_the_engine_it_had(
    broker: Broker, settings: Settings, store: FolderObjectStore, tmp_path: Path
) -> None:
    job = await store_tone(store, tmp_path, seconds=10.0)
    async with (
        ReportConsumer(settings.kafka_bootstrap, TOPICS) as reports,
        worker_process(settings, tmp_path) as worker,
    ):
        dispatcher = Dispatcher(settings, TOPICS, reports)
        worker_id = (await dispatcher.next(WorkerReady)).worker_id
        before = engines(worker)
        assert before
        await stop(broker)
        await broker.start()
        await dispatcher.next(WorkerReady)
        await dispatcher.send(worker_id, assigned(job, worker_id=worker_id))
        await dispatcher.next(AttemptSucceeded)
        assert engines(worker) == before


@pytest.mark.slow
async def test_a_worker_that_is_told_to_end_during_an_outage_does_so(
    broker: Broker, settings: Settings, tmp_path: Path
) -> None:
    async with (
        ReportConsumer(settings.kafka_bootstrap, TOPICS) as reports,
        worker_process(settings, tmp_path) as worker,
    ):
        await Dispatcher(settings, TOPICS, reports).next(WorkerReady)
        await stop(broker)
        worker.send_signal(signal.SIGTERM)
        assert await ends(worker) == 0


async def begins(folder: Path) -> None:
    """A worker whose scratch folder lies there."""
    await eventually(
        lambda: bool(list(folder.glob("stenolog-worker-*/*.lock"))), "it has begun", START_SECONDS
    )


@pytest.mark.slow
async def test_a_worker_that_is_told_to_end_before_there_was_a_kafka_does_so(
    broker: Broker, settings: Settings, tmp_path: Path
) -> None:
    await stop(broker)
    async with worker_process(settings, tmp_path) as worker:
        await begins(tmp_path)
        worker.send_signal(signal.SIGTERM)
        assert await ends(worker) == 0
    assert not list(tmp_path.glob("stenolog-worker-*/*"))


@pytest.mark.slow
async def test_a_worker_waits_for_a_kafka_that_is_not_there_yet(
    broker: Broker, settings: Settings, tmp_path: Path
) -> None:
    await stop(broker)
    async with worker_process(settings, tmp_path):
        await begins(tmp_path)
        await broker.start()
        async with ReportConsumer(settings.kafka_bootstrap, TOPICS) as reports:
            await Dispatcher(settings, TOPICS, reports).next(WorkerReady)
