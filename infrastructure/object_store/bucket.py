"""Opens a bucket behind the S3 protocol, which may be away, refuse us, or still have to be made."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from math import inf
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from domain.ports import ObjectStore, ObjectStoreUnavailable
from infrastructure.object_store.certificates import require_bundle, require_encrypted, require_trust
from infrastructure.object_store.patient import Patience, sit_out
from infrastructure.object_store.s3 import CredentialsRefused, S3ObjectStore
from infrastructure.settings import InvalidSetting

_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
_REGION: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
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
_ONCE: Final = AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
_ENDLESS: Final = Patience(seconds_max=inf)

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_bucket(parts: SplitResult, *, encrypted: bool) -> AsyncIterator[ObjectStore]:
    """Raises InvalidSetting, or RefusedConnection when its server is there and is not trusted."""
    options = dict(parse_qsl(parts.query))
    if not parts.netloc or parts.path not in ("", "/") or not _OPTIONS.issuperset(options):
        raise InvalidSetting("STENOLOG_OBJECT_STORE: a bucket is given as s3://bucket?endpoint=…&region=…")
    _require_usable(parts.netloc, options)
    session = get_session()
    await require_bundle(session)
    place = {"region_name": options.get("region", "us-east-1"), "endpoint_url": options.get("endpoint")}
    async with session.create_client("s3", **place, config=_CONFIG.merge(_ONCE)) as asking:
        if encrypted:
            require_encrypted(asking)
        await require_trust(asking, parts.netloc, session)
    async with session.create_client("s3", **place, config=_CONFIG) as client:
        store = S3ObjectStore(client, parts.netloc)
        created = (
            _created(store, options.get("region")) if options.get("create") == "yes" else nullcontext()
        )
        async with created:
            await _require_credentials(store)
            yield store


def _require_usable(bucket: str, options: Mapping[str, str]) -> None:
    """Before the client says so in words of its own, at the first call perhaps. Raises InvalidSetting."""
    if not _BUCKET.fullmatch(bucket):
        raise InvalidSetting(
            "STENOLOG_OBJECT_STORE: a bucket has a name of letters, digits, points and hyphens"
        )
    if not _REGION.fullmatch(options.get("region", "us-east-1")):
        raise InvalidSetting("STENOLOG_OBJECT_STORE: a region is named as in region=eu-central-1")
    if "endpoint" in options and not _is_endpoint(options["endpoint"]):
        raise InvalidSetting(
            "STENOLOG_OBJECT_STORE: the endpoint is a URL, as in endpoint=https://host:9000"
        )


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


async def _require_credentials(store: S3ObjectStore) -> None:
    """Raises InvalidSetting. A server that is away says nothing about them: a process may start before it."""
    try:
        await store.try_credentials()
    except CredentialsRefused as problem:
        raise InvalidSetting(f"STENOLOG_OBJECT_STORE: {problem}") from problem
    except ObjectStoreUnavailable as problem:
        logger.warning("the object store is not there yet: %s", problem)


@asynccontextmanager
async def _created(store: S3ObjectStore, region: str | None) -> AsyncIterator[None]:
    """With its bucket from now on, or, when the server is away, as soon as it is back. Raises InvalidSetting."""
    try:
        await store.create_bucket(region)
    except CredentialsRefused as problem:
        raise InvalidSetting(f"STENOLOG_OBJECT_STORE: {problem}") from problem
    except ObjectStoreUnavailable as problem:
        logger.warning("the bucket will be made once its server is there: %s", problem)
        creating = asyncio.create_task(_create_later(store, region))
        try:
            yield
        finally:
            creating.cancel()
            await asyncio.wait({creating})
    else:
        yield


async def _create_later(store: S3ObjectStore, region: str | None) -> None:
    await sit_out(lambda: store.create_bucket(region), _ENDLESS)
