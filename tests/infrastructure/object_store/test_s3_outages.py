"""What may go wrong between us and a bucket, on the wire and with who we say we are."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from moto.server import ThreadedMotoServer

from domain.ports import ObjectStore, ObjectStoreUnavailable
from infrastructure.object_store import open_object_store
from infrastructure.object_store.patient import Patience, PatientObjectStore
from infrastructure.object_store.s3 import CredentialsRefused
from infrastructure.settings import InvalidSetting
from tests.infrastructure.object_store.cutting import CuttingProxy
from tests.stack.waiting import eventually

KEY = "media/anna/0a1b"
CONTENT = bytes(range(256)) * 4096 * 4
CHECKED = "0"
UNCHECKED = "inf"


@pytest.fixture
async def proxy(s3_endpoint: str) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(s3_endpoint).open() as opened:
        yield opened


@pytest.fixture
async def store(proxy: CuttingProxy, s3_credentials: None) -> AsyncIterator[ObjectStore]:
    """A bucket with one object in it, behind the proxy."""
    url = f"s3://stenolog-{uuid4().hex}?endpoint={proxy.endpoint}&create=yes"
    async with open_object_store(url) as opened:
        await opened.put(KEY, CONTENT)
        yield opened


async def test_an_object_that_is_cut_off_on_its_way_is_an_outage(
    proxy: CuttingProxy, store: ObjectStore, tmp_path: Path
) -> None:
    proxy.answer_bytes_max = 1 << 20
    with pytest.raises(ObjectStoreUnavailable):
        await store.get(KEY)
    with pytest.raises(ObjectStoreUnavailable):
        async for _ in store.stream(KEY):
            pass
    with pytest.raises(ObjectStoreUnavailable):
        await store.fetch(KEY, tmp_path / "out")
    assert proxy.cuts >= 3
    assert list(tmp_path.iterdir()) == []


async def test_who_is_patient_gets_the_whole_object_in_the_end(
    proxy: CuttingProxy, store: ObjectStore, tmp_path: Path
) -> None:
    proxy.answer_bytes_max = 1 << 20
    patient = PatientObjectStore(store, Patience(seconds_max=60, pause_seconds=0.01))
    fetching = asyncio.create_task(patient.fetch(KEY, tmp_path / "out"))
    await eventually(lambda: proxy.cuts >= 2, "the object was cut off twice")
    proxy.answer_bytes_max = None
    await fetching
    assert (tmp_path / "out").read_bytes() == CONTENT


# Credentials


@pytest.fixture
def strict_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that has a bucket called `there`, and looks at credentials from now on."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    httpx.put(f"{endpoint}/there", trust_env=False)
    httpx.post(f"{endpoint}/moto-api/reset-auth", content=CHECKED, trust_env=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "no secret of anybody")
    yield endpoint
    httpx.post(f"{endpoint}/moto-api/reset-auth", content=UNCHECKED, trust_env=False)
    server.stop()


@pytest.mark.parametrize("options", ["", "&create=yes"])
async def test_refused_credentials_are_one_line_at_the_start_that_names_them(
    strict_server: str, options: str
) -> None:
    with pytest.raises(InvalidSetting) as refused:
        async with open_object_store(f"s3://there?endpoint={strict_server}{options}"):
            pass
    said = str(refused.value)
    assert said.startswith("STENOLOG_OBJECT_STORE: the bucket's server refuses the credentials")
    assert "AWS_ACCESS_KEY_ID" in said
    assert "AWS_SECRET_ACCESS_KEY" in said
    assert "no secret of anybody" not in said
    assert "\n" not in said


async def test_missing_credentials_are_said_too(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InvalidSetting, match="AWS_ACCESS_KEY_ID"):
        async with open_object_store(f"s3://there?endpoint={s3_endpoint}"):
            pass


async def test_credentials_that_are_refused_later_are_an_outage(
    store: ObjectStore, s3_endpoint: str
) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(f"{s3_endpoint}/moto-api/reset-auth", content=CHECKED)
        try:
            for asked in (store.get(KEY), store.put(KEY, b""), store.exists(KEY), store.delete(KEY)):
                with pytest.raises(CredentialsRefused):
                    await asked
        finally:
            await client.post(f"{s3_endpoint}/moto-api/reset-auth", content=UNCHECKED)
    assert await store.get(KEY) == CONTENT


async def test_a_server_that_is_away_at_the_start_says_nothing_about_credentials(
    s3_credentials: None,
) -> None:
    async with open_object_store("s3://there?endpoint=http://127.0.0.1:9"):
        pass
