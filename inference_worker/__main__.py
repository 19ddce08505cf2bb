"""The worker's process: `python -m inference_worker`, any number of them at a time."""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from inference_worker.engines.riva.server import RivaServer, server_of
from inference_worker.faults import ModelMissing
from inference_worker.job import Workplace
from inference_worker.model_digest import weights_digest
from inference_worker.models import find_model
from inference_worker.worker import Worker
from infrastructure.cache import cache_folder
from infrastructure.kafka.jobs import JobConsumer
from infrastructure.kafka.refusals import welcoming_brokers
from infrastructure.kafka.reports import ReportProducer
from infrastructure.media.sandbox_gaps import sandbox_gaps
from infrastructure.media.warm import MEDIA_CHILDREN
from infrastructure.object_store.opening import open_object_store
from infrastructure.process import run_process
from infrastructure.scratch import open_scratch, remove_leftovers, scratch_root
from infrastructure.settings import InvalidSetting, Settings
from schemas.topics import Topics


async def work(settings: Settings) -> None:
    """Raises EngineUnavailable or InvalidSetting; while Kafka is away, it waits."""
    root, worker_id = scratch_root("worker"), uuid4()
    killed = remove_leftovers(root)
    await sandbox_gaps()  # for the log
    MEDIA_CHILDREN.close()  # Engines have their own.
    with open_scratch(root, worker_id) as scratch:
        async with open_worker(settings, worker_id, scratch, killed) as worker:
            try:
                await worker.run()
            finally:
                await worker.leave()


@asynccontextmanager
async def open_worker(
    settings: Settings, worker_id: UUID, scratch: Path, killed: Collection[UUID]
) -> AsyncIterator[Worker]:
    """A worker whose assignments are heard from now on."""
    topics = Topics(settings.topic_prefix)
    model = await _model(settings)
    choice = EngineChoice(
        kind=settings.engine,
        model=model,
        speed=settings.scripted_speed,
        device=settings.device,
        compute_type=settings.compute_type,
        cpu_threads=settings.cpu_threads,
        slots=settings.worker_slots,
        batch=settings.batch,
        riva=await server_of(settings) if settings.engine == "riva" else RivaServer(),
    )
    brokers = await welcoming_brokers(settings)
    async with (
        open_object_store(settings.object_store, encrypted=settings.require_encryption) as store,
        ReportProducer(brokers, topics) as reports,
        JobConsumer(brokers, topics, settings.partitions, worker_id) as assignments,
    ):
        yield Worker(
            worker_id=worker_id,
            assignments=assignments,
            reports=reports,
            engine=EngineProcess(choice, digest_of=known_digest),
            slots=settings.worker_slots,
            place=Workplace(store=store, scratch=scratch, window_seconds=_window_seconds(settings)),
            ready_interval_seconds=settings.ready_interval_seconds,
            killed=killed,
        )


async def _model(settings: Settings) -> str:
    """Its folder, found here because the engine's process knows neither settings nor cache. Raises InvalidSetting."""
    if settings.engine != "faster-whisper":
        return ""
    try:
        return str(await asyncio.to_thread(find_model, settings.model))
    except ModelMissing as problem:
        raise InvalidSetting(str(problem)) from problem


def _window_seconds(settings: Settings) -> float | None:
    return None if settings.window_seconds == "auto" else settings.window_seconds


def known_digest(model: str) -> str:
    """Of the model's weights. It is remembered here, since an engine's process may write nothing."""
    try:
        return weights_digest(Path(model), cache_folder() / "digests") if model else ""
    except (OSError, InvalidSetting):
        return ""  # The engine says so, too, and better.


if __name__ == "__main__":
    sys.exit(run_process(work, ["kafka", "riva"]))
