"""A process says whether it can serve, and of the whole system which part does not work, and why."""

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from msgspec.structs import replace

from api.checks import readiness as readiness_by
from api.database import look_at_database
from api.kept import Kept
from api.system_health import ObjectStoreProbe, SystemHealth
from domain.ports import ObjectStoreUnavailable
from infrastructure.kafka.failures import PartitionDamaged
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.kafka_damage import PostgresKafkaDamage
from infrastructure.postgres.leases import DISPATCH, PostgresLeases
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
    disks = {"uploads": parts.spool}
    health = SystemHealth(parts.read_models, parts.objects, disks, lag_seconds_max=lag_seconds_max)
    return await health.readiness()


async def projectors_never_began(installation: Installation) -> None:
    await installation.parts.read_models.execute("delete from projection_checkpoints")


async def everything_is_projected(installation: Installation) -> None:
    await projectors_never_began(installation)
    await installation.parts.read_models.execute(
        "insert into projection_checkpoints (projection, partition, seq, version) "
        "select name, partition, seq, version from log_heads, unnest($1::text[], $2::integer[]) m (name, version)",
        list(READ_MODELS),
        [each.version for each in READ_MODELS.values()],
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
        answer = await running.client().get("/health/system")
        return answer.status_code == 503 and answer.json()["ready"] is False

    await projectors_never_began(running)
    await until(unready)  # an answer is kept for a second


async def test_a_process_that_can_serve_is_ready_whatever_the_others_do(running: Installation) -> None:
    await projectors_never_began(running)
    await somebody_registers(running)
    for path in ("http://stenolog/health/ready", "http://stenolog/v1/health/ready"):
        answer = await running.client().get(path)
        assert answer.status_code == 200
        assert answer.json() == {
            "ready": True,
            "parts": {"database": {"ready": True, "required": True, "detail": "answers"}},
        }


async def test_a_process_whose_migrations_are_missing_is_not_ready(running: Installation) -> None:
    pool = running.parts.read_models
    look = partial(look_at_database, pool)
    await pool.execute("update public.migrations set component = 'other' where name like '002%'")
    try:
        found = await readiness_by({"database": look}, {})
    finally:
        await pool.execute("update public.migrations set component = 'log' where name like '002%'")
    assert found.parts["database"].detail == (
        "not migrated: run `stenolog migrate`, which has 002_append_events.sql to add or renew"
    )
    await pool.execute("alter table read.quota rename to quota_aside")
    try:
        found = await readiness_by({"database": look}, {})
    finally:
        await pool.execute("alter table read.quota_aside rename to quota")
    assert not found.ready
    assert found.parts["database"].detail.endswith("which has quota to add or renew")
    assert (await readiness_by({"database": look}, {})).ready
    await everything_is_projected(running)
    await pool.execute("update projection_checkpoints set version = 0 where projection = 'files'")
    found = await readiness_by({"database": look}, {})
    await everything_is_projected(running)
    assert found.parts["database"].detail.endswith("which has files to add or renew")


async def test_one_look_serves_everybody_who_asks_for_a_while() -> None:
    looks = 0
    go_on = asyncio.Event()

    async def look() -> int:
        nonlocal looks
        looks += 1
        await go_on.wait()
        return looks

    kept = Kept(look, seconds=1_000)
    first = asyncio.create_task(kept.answer())
    await asyncio.sleep(0)
    first.cancel()  # Its client went away; the look goes on for the others.
    others = [asyncio.create_task(kept.answer()) for _ in range(50)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*others) == [1] * 50
    assert await kept.answer() == 1
    quick = Kept(look, seconds=0)
    assert [await quick.answer(), await quick.answer()] == [2, 3]


async def test_a_failure_is_kept_only_where_it_may_be() -> None:
    looks = 0

    async def fail() -> int:
        nonlocal looks
        looks += 1
        raise DatabaseUnavailable("away")

    for keep_failures, expected in ((True, 1), (False, 3)):
        looks = 0
        kept = Kept(fail, seconds=1_000, keep_failures=keep_failures)
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await kept.answer()
        assert looks == expected


class StuckStore(FolderObjectStore):
    """A folder whose server went away: who writes to it waits."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.puts = 0
        self.back = asyncio.Event()

    async def put(self, key: str, content: bytes) -> None:
        self.puts += 1
        await self.back.wait()
        await super().put(key, content)


async def test_a_store_that_hangs_is_not_asked_again_before_it_answers(tmp_path: Path) -> None:
    store = StuckStore(tmp_path)
    await store.prepare()
    probe = ObjectStoreProbe(store)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await probe.look()
    assert store.puts == 1
    store.back.set()
    assert await probe.look() == "takes objects"


class FullStore(FolderObjectStore):
    """A stand-in for a full disk, which no test can make without being root."""

    async def put(self, key: str, content: bytes) -> None:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise ObjectStoreUnavailable(f"{len(content)} bytes for {key}") from full


async def test_a_full_disk_is_called_a_full_disk(running: Installation, tmp_path: Path) -> None:
    await everything_is_projected(running)
    health = SystemHealth(running.parts.read_models, FullStore(tmp_path), {"uploads": tmp_path})
    found = await health.readiness()
    assert found.parts["object_store"] == Check(ready=False, required=True, detail="its disk is full")
    assert found.parts["disks"].detail.endswith(" GiB free for uploads")


async def test_a_sandbox_with_gaps_is_told_of_and_not_needed(running: Installation) -> None:
    await everything_is_projected(running)
    parts = running.parts
    gaps = ["other files can be read", "the network can be reached"]
    found = await SystemHealth(parts.read_models, parts.objects, {}, gaps).readiness()
    assert found.ready
    assert found.parts["sandbox"] == Check(
        ready=False, required=False, detail="other files can be read; the network can be reached"
    )


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
    leases = PostgresLeases(running.parts.read_models, DISPATCH, 1, uuid4(), 60)
    await leases.renew()
    readiness = await readiness_of(running)
    assert readiness.parts["dispatch"] == Check(ready=True, required=False, detail="1 at work")
    await leases.release()


async def test_a_detached_partition_of_the_log_is_named(running: Installation) -> None:
    assert (await readiness_of(running)).parts["event_log"] == Check(
        ready=True, required=False, detail="every partition is attached"
    )
    pool = running.parts.read_models
    await pool.execute("alter table events detach partition events_0")
    readiness = await readiness_of(running)
    await pool.execute("alter table events attach partition events_0 for values in (0)")
    assert readiness.parts["event_log"] == Check(
        ready=False,
        required=False,
        detail="partition 0 is detached from the event log: once its table is there, "
        "`alter table events attach partition events_0 for values in (0)`",
    )


async def test_a_damaged_partition_of_kafka_is_named_with_what_to_do(running: Installation) -> None:
    assert (await readiness_of(running)).parts["kafka"] == Check(
        ready=True, required=False, detail="no damage known"
    )
    pool = running.parts.read_models
    await PostgresKafkaDamage(pool).tell(PartitionDamaged("stenolog.events.v2", 3, 150, "Invalid CRC"))
    kafka = (await readiness_of(running)).parts["kafka"]
    assert not kafka.ready
    assert kafka.detail.startswith(
        "stenolog.events.v2-3 is damaged at offset 150; read models take from the log"
    )
    assert "delete the events and checkpoints topics" in kafka.detail
    await pool.execute("delete from kafka_damage")


async def test_workers_are_told_of_when_the_dispatcher_has_heard_of_them(running: Installation) -> None:
    workers = (await readiness_of(running)).parts["workers"]
    assert workers == Check(
        ready=False, required=False, detail="none seen: transcriptions wait until one is there"
    )
    pool = running.parts.read_models
    await pool.execute("insert into dispatch_workers values ($1, 'scripted', 2, now())", uuid4())
    workers = (await readiness_of(running)).parts["workers"]
    assert workers.detail == "1 seen, with room for 2 transcriptions at once"
    await pool.execute(
        "insert into dispatch_workers values ($1, 'riva', 1, now(), 'en', false, false, false)", uuid4()
    )
    workers = (await readiness_of(running)).parts["workers"]
    assert workers.ready
    assert workers.detail == (
        "2 seen, with room for 3 transcriptions at once; the model knows English only; "
        "translates nothing; detects no language; takes no prompt"
    )
    await pool.execute("delete from dispatch_workers")


async def test_partitions_that_no_projector_follows_are_named(running: Installation) -> None:
    await projectors_never_began(running)
    readiness = await readiness_of(running)
    assert not readiness.ready
    assert "partitions [0, 1, 2, 3]: run `stenolog project`" in readiness.parts["read_models"].detail


async def test_an_old_event_that_no_read_model_shows_makes_the_system_unready(
    running: Installation,
) -> None:
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
