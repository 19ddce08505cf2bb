"""A folder and a bucket, behind the same fixture."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import uuid4

import pytest
from aiobotocore.session import get_session
from moto.server import ThreadedMotoServer

from domain.ports import ObjectStore
from infrastructure.object_store import open_object_store


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A server that speaks S3, on a free port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stenolog")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not a secret")


@pytest.fixture
def s3_url(s3_endpoint: str, s3_credentials: None) -> str:
    """The URL of a bucket that does not exist yet."""
    return f"s3://stenolog-{uuid4().hex}?endpoint={s3_endpoint}&create=yes"


@pytest.fixture
async def s3_client(s3_endpoint: str, s3_credentials: None) -> AsyncIterator[Any]:
    session = get_session()
    async with session.create_client("s3", region_name="us-east-1", endpoint_url=s3_endpoint) as client:
        yield client


@pytest.fixture(params=["folder", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    folder_url = (tmp_path / "objects").as_uri()
    url = folder_url if request.param == "folder" else request.getfixturevalue("s3_url")
    async with open_object_store(url) as opened:
        yield opened


@pytest.fixture(params=["folder", "s3"])
async def lost_store(
    request: pytest.FixtureRequest, tmp_path: Path, s3_credentials: None
) -> AsyncIterator[ObjectStore]:
    """It was opened and used, and then the disk or the server behind it went away."""
    folder = tmp_path / "objects"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    bucket_url = f"s3://stenolog-{uuid4().hex}?endpoint=http://{host}:{port}&create=yes"
    async with open_object_store(folder.as_uri() if request.param == "folder" else bucket_url) as opened:
        await opened.put("media/anna/0a1b", b"some sound")
        rmtree(folder, ignore_errors=True)
        server.stop()
        yield opened
