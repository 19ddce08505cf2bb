"""Readiness says which part is not ready, and why."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest_asyncio
from msgspec.structs import replace

from api.health import Health
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.settings import Settings
from projections.models import READ_MODELS
from schemas.bodies import Check, Readiness
from tests.api.rig import PASSWORD, Installation, in_one_task, installed
from tests.projections.running import until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(settings: Settings) -> AsyncIterator[Installation]:
    """Without a projector: the tests say how far the read models are."""
    with tempfile.TemporaryDirectory() as spool:
        hurried = replace(settings, consistency_wait_seconds=0)
        async with in_one_task(installed(hurried, Path(spool))) as installation:
            yield installation


async def readiness_of(installation: Installation, *, lag_seconds_max: float = 10) -> Readiness:
    """Without the answer it gave a moment ago."""
    parts = installation.parts
    return await Health(parts.read_models, parts.objects, lag_seconds_max).readiness()


async def projectors_never_began(installation: Installation) -> None:
    await installation.parts.read_models.execute("delete from projection_checkpoints")


async def everything_is_projected(installation: Installation) -> None:
    await projectors_never_began(installation)
    await installation.parts.read_models.execute(
        "insert into projection_checkpoints (projection, partition, seq) "
        "select name, partition, seq from log_heads, unnest($1::text[]) name",
        list(READ_MODELS),
    )


async def somebody_registers(installation: Installation) -> None:
    credentials = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    await installation.client().post("/auth/register", json=credentials)


async def test_a_live_process_says_so(running: Installation) -> None:
    for path in ("http://stenolog/health/live", "http://stenolog/v1/health/live"):
        answer = await running.client().get(path)
        assert (answer.status_code, answer.json()) == (200, {"message": "alive"})


async def test_a_system_that_is_not_ready_answers_503(running: Installation) -> None:
    async def unready() -> bool:
        answer = await running.client().get("/health/ready")
        return answer.status_code == 503 and answer.json()["ready"] is False

    await projectors_never_began(running)
    await until(unready)  # an answer is kept for half a second


async def test_a_whole_system_is_ready(running: Installation) -> None:
    await somebody_registers(running)
    await everything_is_projected(running)
    readiness = await readiness_of(running)
    assert readiness.ready
    assert readiness.parts["read_models"] == Check(ready=True, required=True, detail="0 events behind")
    assert not list(running.objects.rglob("health/*"))


async def test_processes_elsewhere_are_told_of_but_not_needed(running: Installation) -> None:
    await everything_is_projected(running)
    readiness = await readiness_of(running)
    assert readiness.ready
    assert readiness.parts["dispatch"] == Check(ready=False, required=False, detail="no process at work")
    leases = PostgresLeases(running.parts.read_models, "dispatch", 1, uuid4(), 60)
    await leases.renew()
    readiness = await readiness_of(running)
    assert readiness.parts["dispatch"] == Check(ready=True, required=False, detail="1 at work")
    await leases.release()


async def test_workers_are_told_of_when_the_dispatcher_has_heard_of_them(running: Installation) -> None:
    workers = (await readiness_of(running)).parts["workers"]
    assert workers == Check(
        ready=False, required=False, detail="none seen: transcriptions wait until one is there"
    )
    pool = running.parts.read_models
    await pool.execute("insert into dispatch_workers values ($1, 'scripted', 2, now())", uuid4())
    workers = (await readiness_of(running)).parts["workers"]
    assert workers.detail == "1 seen, with room for 2 transcriptions at once"
    await pool.execute("delete from dispatch_workers")


async def test_partitions_that_no_projector_follows_are_named(running: Installation) -> None:
    await projectors_never_began(running)
    readiness = await readiness_of(running)
    assert not readiness.ready
    assert "partitions [0, 1, 2, 3]: run `stenolog project`" in readiness.parts["read_models"].detail


async def test_an_old_event_that_no_read_model_shows_makes_the_api_unready(running: Installation) -> None:
    await everything_is_projected(running)
    await somebody_registers(running)
    assert (await readiness_of(running)).parts["read_models"].detail == "2 events behind"
    readiness = await readiness_of(running, lag_seconds_max=0)
    assert not readiness.ready
    assert readiness.parts["read_models"].detail.startswith("2 events behind, the oldest for ")


async def test_an_object_store_that_takes_nothing_is_named(running: Installation) -> None:
    await everything_is_projected(running)
    shutil.rmtree(running.objects)
    running.objects.write_text("in the way")
    readiness = await readiness_of(running)
    running.objects.unlink()
    (running.objects / ".incoming").mkdir(parents=True)
    assert not readiness.ready
    assert readiness.parts["object_store"].detail.startswith("does not answer: ")
    assert readiness.parts["database"] == Check(ready=True, required=True, detail="answers")
