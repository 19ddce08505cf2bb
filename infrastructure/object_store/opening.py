"""Opens the object store that a URL names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from domain.ports import ObjectStore
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.object_store.s3 import S3ObjectStore
from infrastructure.settings import InvalidSetting

_OPTIONS: Final = frozenset({"endpoint", "region", "create"})
_CONFIG: Final = AioConfig(
    # Without s3v4 S3-compatible servers refuse signed URLs; path style needs no DNS name per bucket.
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 4},
    # Trailing checksums are an AWS speciality; objects here are named after their SHA-256 anyway.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


@asynccontextmanager
async def open_object_store(url: str) -> AsyncIterator[ObjectStore]:
    """`file:///folder`, or `s3://bucket?endpoint=http://host:port&region=…&create=yes`.

    S3 credentials come from the AWS_* variables; `create=yes` makes a missing bucket. Raises InvalidSetting.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "file":
            store = FolderObjectStore(_folder_of(parts))
            await store.prepare()
            yield store
        case "s3":
            async with _open_s3(parts) as bucket:
                yield bucket
        case _:
            raise InvalidSetting("STENOLOG_OBJECT_STORE: begin it with file:// or s3://")


def _folder_of(parts: SplitResult) -> Path:
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise InvalidSetting("STENOLOG_OBJECT_STORE: a folder is given as file:///absolute/path")
    return path


@asynccontextmanager
async def _open_s3(parts: SplitResult) -> AsyncIterator[ObjectStore]:
    options = dict(parse_qsl(parts.query))
    if not parts.netloc or parts.path not in ("", "/") or not _OPTIONS.issuperset(options):
        raise InvalidSetting("STENOLOG_OBJECT_STORE: a bucket is given as s3://bucket?endpoint=…&region=…")
    session = get_session()
    async with session.create_client(
        "s3",
        region_name=options.get("region", "us-east-1"),
        endpoint_url=options.get("endpoint"),
        config=_CONFIG,
    ) as client:
        if options.get("create") == "yes":
            await _create_bucket(client, parts.netloc, options.get("region"))
        yield S3ObjectStore(client, parts.netloc)


async def _create_bucket(client: Any, bucket: str, region: str | None) -> None:
    constraint = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region else {}
    try:
        await client.create_bucket(Bucket=bucket, **constraint)
    except ClientError as problem:
        if problem.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
