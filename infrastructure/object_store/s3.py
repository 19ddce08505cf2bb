"""Objects in a bucket behind the S3 protocol."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator
from contextlib import aclosing, contextmanager, suppress
from math import ceil
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as NotConnected
from botocore.parsers import ResponseParserError

from domain.ports import ObjectMissing, ObjectStoreUnavailable
from infrastructure.object_store.keys import require_valid_key

PART_BYTES: Final = 8 << 20
"""Files above this go up in parts; S3 takes parts of at least 5 MiB."""
PARTS_MAX: Final = 10_000
PARTS_AT_ONCE: Final = 4
DELETED_AT_ONCE: Final = 16
_MISSING: Final = frozenset({"NoSuchKey", "NotFound", "404"})
_NO_BUCKET: Final = "NoSuchBucket"
"""As with a folder that was not mounted: nobody deletes objects by deleting the bucket."""
_CREATED_BEFORE: Final = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})
_OUTAGES: Final = (
    NotConnected,
    HTTPClientError,
    IncompleteReadError,
    # A body that breaks off comes as aiohttp's own error, past botocore.
    aiohttp.ClientError,
    # A gateway's page in place of an answer.
    ResponseParserError,
    TimeoutError,
    ConnectionError,
)
_NO_CREDENTIALS: Final = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
_REFUSED: Final = (401, 403)
_EXPIRED: Final = frozenset({"ExpiredToken", "InvalidToken", "TokenRefreshRequired"})
"""Credentials that do for a while are refused with a 400."""

logger = logging.getLogger(__name__)


class CredentialsRefused(ObjectStoreUnavailable):
    """The bucket's server does not take who we say we are, or does not let us do this; somebody has to mend it."""

    def __init__(self, said: str) -> None:
        super().__init__(
            "the bucket's server refuses the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            f"({said}): correct them, or what they may do"
        )


class S3ObjectStore:
    """`client` is an open aiobotocore S3 client; its owner closes it."""

    def __init__(self, client: Any, bucket: str, part_bytes: int = PART_BYTES) -> None:
        self._client = client
        self._bucket = bucket
        self._part_bytes = part_bytes

    async def create_bucket(self, region: str | None) -> None:
        """A bucket that is there is fine. Raises ObjectStoreUnavailable."""
        constraint = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region else {}
        with _answers(self._bucket):
            try:
                await self._client.create_bucket(Bucket=self._bucket, **constraint)
            except ClientError as problem:
                if problem.response["Error"]["Code"] not in _CREATED_BEFORE:
                    raise

    async def try_credentials(self) -> None:
        """Writes an object and deletes it. Raises CredentialsRefused, or ObjectStoreUnavailable.

        Reading would not do: a server may refuse to say whether an object is there, and still take and give them.
        """
        key = f"health/{uuid4()}"
        await self.put(key, b"")
        await self.delete(key)

    async def put(self, key: str, content: bytes) -> None:
        named = self._named(key)
        with _answers(key):
            await self._client.put_object(**named, Body=content)

    async def put_file(self, key: str, path: Path) -> None:
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        if size_bytes <= self._part_bytes:
            await self.put(key, await asyncio.to_thread(path.read_bytes))
        else:
            await self._put_parts(key, path, size_bytes)

    async def get(self, key: str) -> bytes:
        named = self._named(key)
        with _answers(key):
            answer = await self._client.get_object(**named)
            async with answer["Body"] as body:
                content: bytes = await body.read()
        return content

    async def stream(
        self, key: str, chunk_bytes: int = 1 << 20, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        named = self._named(key)
        if start or end is not None:
            named["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        with _answers(key):
            answer = await self._client.get_object(**named)
        async with answer["Body"] as body:
            while chunk := await _read(body, key, chunk_bytes):
                yield chunk

    async def fetch(self, key: str, path: Path) -> None:
        async with aclosing(self.stream(key)) as chunks:
            first = await anext(chunks, b"")  # A missing object must not leave an empty file.
            with await asyncio.to_thread(path.open, "xb") as file:
                try:
                    await asyncio.to_thread(file.write, first)
                    async for chunk in chunks:
                        await asyncio.to_thread(file.write, chunk)
                except BaseException:
                    await asyncio.shield(asyncio.to_thread(path.unlink))
                    raise

    async def exists(self, key: str) -> bool:
        named = self._named(key)
        try:
            with _answers(key):
                await self._client.head_object(**named)
        except ObjectMissing:
            return False
        return True

    async def delete(self, key: str) -> None:
        named = self._named(key)
        with _answers(key):
            await self._client.delete_object(**named)

    async def delete_all(self, folder: str) -> None:
        """As many at a time as a list names, each by a request of its own: not all servers take many in one."""
        below = {"Bucket": self._bucket, "Prefix": f"{require_valid_key(folder)}/"}
        with _answers(folder):
            await self._abort_all(below)
            while keys := await self._some_keys(below):
                await _together(self.delete(key) for key in keys)

    async def _some_keys(self, below: dict[str, str]) -> list[str]:
        answer = await self._client.list_objects_v2(**below)
        return [each["Key"] for each in answer.get("Contents", [])]

    async def _abort_all(self, below: dict[str, str]) -> None:
        """Uploads in parts that are not finished, also of processes that were killed."""
        while uploads := (await self._client.list_multipart_uploads(**below)).get("Uploads"):
            for each in uploads:
                named = {"Bucket": self._bucket, "Key": each["Key"], "UploadId": each["UploadId"]}
                with suppress(self._client.exceptions.NoSuchUpload):
                    await self._client.abort_multipart_upload(**named)

    def _named(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": require_valid_key(key)}

    async def _put_parts(self, key: str, path: Path, size_bytes: int) -> None:
        named = self._named(key)
        with _answers(key):
            started = await self._client.create_multipart_upload(**named)
        named["UploadId"] = started["UploadId"]
        try:
            parts = await self._send_parts(named, path, size_bytes)
            with _answers(key):
                await self._client.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
        except BaseException:
            await asyncio.shield(self._abort(named))
            raise

    async def _abort(self, named: dict[str, str]) -> None:
        """Parts of an unfinished upload are invisible and cost money until somebody aborts it.

        Whatever becomes of that, what went wrong before is what counts.
        """
        try:
            await self._client.abort_multipart_upload(**named)
        except Exception as problem:  # noqa: BLE001  # any error here would hide the first one
            logger.warning("an upload in parts could not be aborted: %r", problem)

    async def _send_parts(
        self, named: dict[str, str], path: Path, size_bytes: int
    ) -> list[dict[str, object]]:
        part_bytes = max(self._part_bytes, ceil(size_bytes / PARTS_MAX))
        permits = asyncio.Semaphore(PARTS_AT_ONCE)

        async def send(number: int) -> dict[str, object]:
            async with permits:
                content = await asyncio.to_thread(_read_part, path, (number - 1) * part_bytes, part_bytes)
                with _answers(named["Key"]):
                    sent = await self._client.upload_part(**named, PartNumber=number, Body=content)
            return {"ETag": sent["ETag"], "PartNumber": number}

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(send(n)) for n in range(1, ceil(size_bytes / part_bytes) + 1)]
        except ExceptionGroup as problems:
            # The first of them is as good as any: they all lost the same server.
            raise problems.exceptions[0] from problems
        return [task.result() for task in tasks]


async def _together(deletions: Iterable[Coroutine[Any, Any, None]]) -> None:
    """A few at once. Raises the first of the errors."""
    permits = asyncio.Semaphore(DELETED_AT_ONCE)

    async def delete(deletion: Coroutine[Any, Any, None]) -> None:
        async with permits:
            await deletion

    answers = await asyncio.gather(*map(delete, deletions), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer


def _read_part(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


async def _read(body: Any, key: str, chunk_bytes: int) -> bytes:
    with _answers(key):
        chunk: bytes = await body.read(chunk_bytes)
    return chunk


@contextmanager
def _answers(key: str) -> Iterator[None]:
    """Raises ObjectMissing or ObjectStoreUnavailable for what the client raises."""
    try:
        yield
    except ClientError as problem:
        raise _meaning(problem, key) from problem
    except _NO_CREDENTIALS as problem:
        raise CredentialsRefused(str(problem)) from problem
    except _OUTAGES as problem:
        raise ObjectStoreUnavailable(f"no answer from the bucket's server: {problem!r}") from problem


def _meaning(problem: ClientError, key: str) -> Exception:
    """What we did not foresee is not the caller's doing either: a server may be busy with a 400, a 409 or a 429."""
    code, status = problem.response["Error"]["Code"], problem.response["ResponseMetadata"]["HTTPStatusCode"]
    if code in _MISSING:
        return ObjectMissing(key)
    if code == _NO_BUCKET:
        return ObjectStoreUnavailable("the bucket is not there")
    if status in _REFUSED or code in _EXPIRED:
        return CredentialsRefused(code)
    return ObjectStoreUnavailable(f"the bucket's server answers {status}, {code}")
