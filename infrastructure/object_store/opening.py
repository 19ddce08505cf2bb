"""Opens the object store that a URL names."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from domain.ports import ObjectStore
from infrastructure.disk import is_full
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.settings import InvalidSetting

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_object_store(
    url: str, *, encrypted: bool = False, read_only: bool = False
) -> AsyncIterator[ObjectStore]:
    """`file:///folder`, or `s3://bucket?endpoint=http://host:port&region=…&create=yes`.

    S3 credentials come from the AWS_* variables; `create=yes` makes a missing bucket, later if its server is away.
    A folder that is `read_only` has to be there, and may be of somebody else. Where it has to be `encrypted`, a bucket's endpoint has to begin with https://.
    Raises InvalidSetting, or RefusedConnection when the bucket's server is there and is not trusted.
    """
    parts = _parts(url)
    match parts.scheme:
        case "file":
            yield _there(_folder_of(parts)) if read_only else await _open_folder(_folder_of(parts))
        case "s3":
            # Its client takes half a second of processor time to import, and whoever keeps a folder needs none.
            from infrastructure.object_store.bucket import open_bucket  # noqa: PLC0415

            async with open_bucket(parts, encrypted=encrypted) as bucket:
                yield bucket
        case _:
            raise InvalidSetting("STENOLOG_OBJECT_STORE: begin it with file:// or s3://")


def _there(folder: Path) -> ObjectStore:
    if not folder.is_dir():
        raise InvalidSetting(f"STENOLOG_OBJECT_STORE: there is no folder {folder}")
    return FolderObjectStore(folder, read_only=True)


async def _open_folder(folder: Path) -> ObjectStore:
    store = FolderObjectStore(folder)
    try:
        await store.prepare()
    except OSError as problem:
        if is_full(problem):
            # There is something to read all the same, and room may be made.
            logger.warning("the disk of %s is full", folder)
            return store
        raise InvalidSetting(
            f"STENOLOG_OBJECT_STORE: {folder} cannot be written: {problem.strerror}"
        ) from problem
    return store


def _parts(url: str) -> SplitResult:
    """Raises InvalidSetting."""
    try:
        return urlsplit(url)
    except ValueError as problem:
        raise InvalidSetting(f"STENOLOG_OBJECT_STORE is no URL: {problem}") from problem


def folder_of(url: str) -> Path | None:
    """The folder that `url` names; None where it is a bucket. Raises InvalidSetting."""
    parts = _parts(url)
    return _folder_of(parts) if parts.scheme == "file" else None


def _folder_of(parts: SplitResult) -> Path:
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise InvalidSetting("STENOLOG_OBJECT_STORE: a folder is given as file:///absolute/path")
    return path
