"""What is particular to folders, to buckets and to the URLs that name them."""

import asyncio
import errno
import os
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientPayloadError
from botocore.exceptions import ClientError, EndpointConnectionError

from domain.ports import ObjectStoreUnavailable
from infrastructure.object_store import open_object_store
from infrastructure.object_store.folder import INCOMING, LEFTOVER_SECONDS, FolderObjectStore
from infrastructure.object_store.s3 import CredentialsRefused, S3ObjectStore
from infrastructure.settings import InvalidSetting
from tests.stack.waiting import eventually

BAD_URLS = [
    "",
    "objects",
    "ftp://host/x",
    "file://objects",
    "file:relative",
    "s3://",
    "s3://bucket/prefix",
    "s3://user@bucket",
    "s3://bucket:80",
    "s3://[::1",
    "s3://bucket?endpoint=host",
    "s3://bucket?endpoint=http://",
    "s3://bucket?endpoint=http://host:99999",
    "s3://bucket?region=a%20b",
    "s3://bucket?color=red",
]


async def test_a_failed_write_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    store = FolderObjectStore(tmp_path / "objects")
    await store.prepare()
    with pytest.raises(FileNotFoundError):
        await store.put_file("media/x", tmp_path / "absent")
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


async def test_whoever_is_cancelled_while_a_file_opens_leaves_none_open(tmp_path: Path) -> None:
    store = FolderObjectStore(tmp_path / "objects")
    await store.prepare()
    pipe = tmp_path / "objects" / "media"
    os.mkfifo(pipe)  # It opens when somebody opens its other end.
    fetching = asyncio.create_task(store.fetch("media", tmp_path / "fetched"))
    await asyncio.sleep(0)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    other_end = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)

    def is_closed() -> bool:
        try:
            os.write(other_end, b"x")
        except BrokenPipeError:
            return True
        return False

    try:
        await eventually(is_closed, "the file is closed")
    finally:
        os.close(other_end)


async def test_opening_a_folder_clears_only_what_was_left_long_ago(tmp_path: Path) -> None:
    incoming = tmp_path / INCOMING
    incoming.mkdir()
    for name in ("old", "new"):
        (incoming / name).write_bytes(b"half")
    long_ago = (incoming / "old").stat().st_mtime - LEFTOVER_SECONDS - 1
    os.utime(incoming / "old", (long_ago, long_ago))
    async with open_object_store(tmp_path.as_uri()):
        assert [path.name for path in incoming.iterdir()] == ["new"]


async def test_a_bucket_that_exists_is_opened_again(s3_url: str) -> None:
    async with open_object_store(s3_url) as store:
        await store.put("media/x", b"x")
    async with open_object_store(s3_url) as store:
        assert await store.get("media/x") == b"x"


async def test_a_failed_multipart_upload_is_aborted(s3_client: Any, tmp_path: Path) -> None:
    bucket = f"stenolog-{uuid4().hex}"
    await s3_client.create_bucket(Bucket=bucket)
    # S3 refuses to complete an upload whose parts are smaller than 5 MiB.
    store = S3ObjectStore(s3_client, bucket, part_bytes=1024)
    (tmp_path / "file").write_bytes(bytes(3000))
    with pytest.raises(Exception, match="EntityTooSmall"):
        await store.put_file("media/x", tmp_path / "file")
    assert "Uploads" not in await s3_client.list_multipart_uploads(Bucket=bucket)
    assert not await store.exists("media/x")


class Losing:
    """A client whose server goes away when the first part is sent, and perhaps comes back for the abort."""

    def __init__(self, client: Any, loss: Exception, *, aborts: bool = True) -> None:
        self._client = client
        self._loss = loss
        self._aborts = aborts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def upload_part(self, **_: object) -> None:
        raise self._loss

    async def abort_multipart_upload(self, **named: object) -> None:
        if not self._aborts:
            raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "AbortMultipartUpload")
        await self._client.abort_multipart_upload(**named)


def refusal(status: int, code: str = "Odd") -> ClientError:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "UploadPart")


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (EndpointConnectionError(endpoint_url="http://gone"), ObjectStoreUnavailable),
        (refusal(503), ObjectStoreUnavailable),
        (refusal(429), ObjectStoreUnavailable),
        (refusal(400, "RequestTimeout"), ObjectStoreUnavailable),
        (refusal(404, "NoSuchUpload"), ObjectStoreUnavailable),
        (refusal(400, "ExpiredToken"), CredentialsRefused),
        (refusal(403), CredentialsRefused),
        (refusal(401), CredentialsRefused),
        (ClientPayloadError("cut off"), ObjectStoreUnavailable),
    ],
)
async def test_what_goes_wrong_with_one_part_is_told_as_of_the_whole_file(
    s3_client: Any, tmp_path: Path, loss: Exception, expected: type[Exception]
) -> None:
    bucket = f"stenolog-{uuid4().hex}"
    await s3_client.create_bucket(Bucket=bucket)
    store = S3ObjectStore(Losing(s3_client, loss), bucket, part_bytes=1024)
    (tmp_path / "file").write_bytes(bytes(3000))
    with pytest.raises(expected):
        await store.put_file("media/x", tmp_path / "file")
    assert "Uploads" not in await s3_client.list_multipart_uploads(Bucket=bucket)


async def test_an_abort_that_fails_does_not_hide_why_the_upload_failed(
    s3_client: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = f"stenolog-{uuid4().hex}"
    await s3_client.create_bucket(Bucket=bucket)
    store = S3ObjectStore(Losing(s3_client, refusal(503), aborts=False), bucket, part_bytes=1024)
    (tmp_path / "file").write_bytes(bytes(3000))
    with pytest.raises(ObjectStoreUnavailable, match="503"):
        await store.put_file("media/x", tmp_path / "file")
    assert "could not be aborted" in caplog.text


async def test_a_full_disk_is_an_outage(tmp_path: Path) -> None:
    def fill(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full(FolderObjectStore):
        async def put(self, key: str, content: bytes) -> None:  # noqa: ARG002  # none of it fits
            self._write(self._path(key), fill)

    store = Full(tmp_path / "objects")
    await store.prepare()
    with pytest.raises(ObjectStoreUnavailable, match="No space left on device"):
        await store.put("media/x", b"x")


async def test_a_disk_that_goes_away_while_a_file_is_fetched_is_an_outage(tmp_path: Path) -> None:
    class Lost(BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            raise OSError(errno.ESTALE, "Stale file handle")

    class Unmounted(FolderObjectStore):
        async def fetch(self, key: str, path: Path) -> None:  # noqa: ARG002  # none of it can be read
            self._copy_out(Lost(), path)

    store = Unmounted(tmp_path / "objects")
    await store.prepare()
    with pytest.raises(ObjectStoreUnavailable, match="Stale file handle"):
        await store.fetch("media/x", tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_what_killed_processes_left_on_its_way_to_a_folder_goes_with_it(tmp_path: Path) -> None:
    class Killed(FolderObjectStore):
        def _arrive(self, aside: Path, path: Path) -> None:  # noqa: ARG002  # it never does
            shutil.copy(aside, aside.with_name(f"{aside.name}0"))

    store = Killed(tmp_path / "objects")
    await store.prepare()
    for key in ("media/anna/0a1b", "media/anna2/0a1b"):
        await store.put(key, b"some sound")
    await store.delete_all("media/anna")
    assert [path.name[:12] for path in (tmp_path / "objects" / INCOMING).iterdir()] == ["media+anna2+"]


async def test_uploads_in_parts_that_nobody_will_finish_go_with_their_folder(
    s3_client: Any, tmp_path: Path
) -> None:
    bucket = f"stenolog-{uuid4().hex}"
    await s3_client.create_bucket(Bucket=bucket)
    for key in ("media/anna/x", "media/bert/x"):
        await s3_client.create_multipart_upload(Bucket=bucket, Key=key)
    await S3ObjectStore(s3_client, bucket).delete_all("media/anna")
    left = await s3_client.list_multipart_uploads(Bucket=bucket)
    assert [each["Key"] for each in left["Uploads"]] == ["media/bert/x"]


@pytest.mark.parametrize("url", BAD_URLS)
async def test_a_url_that_names_no_store_is_refused_by_the_variables_name(url: str) -> None:
    with pytest.raises(InvalidSetting, match="STENOLOG_OBJECT_STORE"):
        async with open_object_store(url):
            pass
