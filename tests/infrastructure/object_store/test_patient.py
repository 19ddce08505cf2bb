"""A patient store waits for the one behind it, says so once, and gives up at its limit."""

import asyncio
import errno
import logging
from math import inf
from pathlib import Path
from shutil import move
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer

from domain.ports import ObjectMissing, ObjectStoreUnavailable
from embedded.ports import free_port
from infrastructure.object_store import open_object_store
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.object_store.patient import Patience, PatientObjectStore
from tests.inference_worker.waiting import until
from tests.infrastructure.object_store.away import AwayStore

KEY = "media/anna/0a1b"
QUICK = Patience(pause_seconds=0.001, pause_seconds_max=0.002)
SHORT = Patience(seconds_max=0.05, pause_seconds=0.001, pause_seconds_max=0.002)


@pytest.fixture
async def folder(tmp_path: Path) -> FolderObjectStore:
    store = FolderObjectStore(tmp_path / "objects")
    await store.prepare()
    await store.put(KEY, b"some sound")
    return store


@pytest.fixture
def away(folder: FolderObjectStore) -> AwayStore:
    return AwayStore(folder)


async def test_whatever_is_asked_is_answered_after_the_outage(away: AwayStore, tmp_path: Path) -> None:
    patient = PatientObjectStore(away, QUICK)
    (tmp_path / "file").write_bytes(b"file")
    away.failures = 3
    await patient.put("media/x", b"x")
    away.failures = 3
    await patient.put_file("media/file", tmp_path / "file")
    away.failures = 3
    assert await patient.get("media/x") == b"x"
    away.failures = 3
    await patient.fetch("media/file", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"file"
    away.failures = 3
    await patient.delete("media/x")
    away.failures = 3
    assert not await patient.exists("media/x")
    away.failures = 3
    await patient.delete_all("media")
    assert not await patient.exists("media/file")
    assert away.failed == 21


class OnAFullDisk(AwayStore):
    """Its outages are those of the disk that is fetched to."""

    async def fetch(self, key: str, path: Path) -> None:
        try:
            await super().fetch(key, path)
        except ObjectStoreUnavailable:
            raise OSError(errno.ENOSPC, "No space left on device") from None


async def test_a_full_disk_where_a_recording_is_to_lie_is_no_outage_of_the_store(
    folder: FolderObjectStore, tmp_path: Path
) -> None:
    full = OnAFullDisk(folder)
    full.failures = inf
    with pytest.raises(OSError, match="No space left"):
        await PatientObjectStore(full, QUICK).fetch(KEY, tmp_path / "out")
    assert full.failed == 1


async def test_an_outage_is_told_once(away: AwayStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    away.failures = 5
    await PatientObjectStore(away, QUICK).get(KEY)
    told = [
        (record.levelname, record.message) for record in caplog.records if "object store" in record.message
    ]
    assert told == [
        ("WARNING", "waiting for the object store, for 0 s now: away on purpose"),
        ("INFO", "the object store is there, after 0 s"),
    ]


async def test_patience_ends(away: AwayStore) -> None:
    away.failures = inf
    with pytest.raises(ObjectStoreUnavailable):
        await PatientObjectStore(away, SHORT).get(KEY)
    assert away.failed >= 2  # how often beyond that, a busy machine decides


async def test_who_waits_can_be_cancelled(away: AwayStore) -> None:
    away.failures = inf
    waiting = asyncio.create_task(PatientObjectStore(away, Patience(pause_seconds=3600)).get(KEY))
    await until(lambda: away.failed == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await waiting


async def test_what_is_missing_is_not_waited_for(away: AwayStore) -> None:
    with pytest.raises(ObjectMissing):
        await PatientObjectStore(away, Patience(pause_seconds=3600)).get("media/nothing")


async def test_a_stream_is_passed_on_as_it_is(away: AwayStore) -> None:
    patient = PatientObjectStore(away, QUICK)
    assert [chunk async for chunk in patient.stream(KEY)] == [b"some sound"]


async def test_a_folder_that_was_not_mounted_is_waited_for(
    folder: FolderObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    move(tmp_path / "objects", tmp_path / "elsewhere")
    reading = asyncio.create_task(PatientObjectStore(folder, QUICK).get(KEY))
    await until(lambda: "waiting for the object store" in caplog.text)
    move(tmp_path / "elsewhere", tmp_path / "objects")
    assert await reading == b"some sound"


@pytest.mark.usefixtures("s3_credentials")
async def test_a_bucket_whose_server_comes_later_is_made_then() -> None:
    port = free_port()
    url = f"s3://stenolog-{uuid4().hex}?endpoint=http://127.0.0.1:{port}&create=yes"
    async with open_object_store(url) as store:
        with pytest.raises(ObjectStoreUnavailable):
            await store.get(KEY)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        server.start()
        try:
            patient = PatientObjectStore(store, Patience())
            await patient.put(KEY, b"some sound")
            assert await patient.get(KEY) == b"some sound"
        finally:
            server.stop()


@pytest.mark.usefixtures("s3_credentials")
async def test_a_store_whose_server_never_came_can_be_closed() -> None:
    async with asyncio.timeout(60):
        async with open_object_store(f"s3://bucket?endpoint=http://127.0.0.1:{free_port()}&create=yes"):
            pass


async def test_a_bucket_that_is_not_there_is_an_outage(s3_url: str) -> None:
    async with open_object_store(s3_url.replace("&create=yes", "")) as store:
        with pytest.raises(ObjectStoreUnavailable, match="not there"):
            await store.get(KEY)
