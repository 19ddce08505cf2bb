"""What seals the log, for whoever verifies it: checkpoints, tiles and keys, as C2SP tlog-tiles wants them served."""

import re
from hmac import compare_digest
from pathlib import Path
from typing import Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.parts import Parts
from api.requests import AnonymousRequest
from api.tokens import NotAuthenticated
from domain.errors import NotFound
from domain.ports import ObjectMissing
from infrastructure.postgres.queries import load_queries
from schemas.objects import evidence_key

ROOT: Final = "/evidence/{partition:int}"
_TEXT: Final = "text/plain"
_TILE: Final = "application/octet-stream"
_MUTABLE: Final = {"Cache-Control": "no-cache"}
_FULL: Final = "max-age=31536000, immutable"
_PARTIAL: Final = "max-age=60"
"""Its bytes never change, but it goes when the full one is there."""
_ENTRIES: Final = "entries/"
_PATH: Final = re.compile(
    r"(?:[0-9]|[1-5][0-9]|6[0-3]|entries)/(?:x[0-9]{3}/){0,5}[0-9]{3}(?P<partial>\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
)
_PARTITION_MAX: Final = 255
_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@get(f"{ROOT}/checkpoint", include_in_schema=False)
async def get_checkpoint(partition: FromPath[int], parts: NamedDependency[Parts]) -> Response[str]:
    """From the table, which is never behind the object."""
    async with parts.reading() as connection:
        note = await connection.fetchval(_SQL["checkpoint"], _known(partition))
    if note is None:
        raise NotFound(f"No checkpoint of partition {partition}: nothing of it is sealed")
    return Response(note, media_type=_TEXT, headers=_MUTABLE)


@get(f"{ROOT}/key", include_in_schema=False)
async def get_keys(partition: FromPath[int], parts: NamedDependency[Parts]) -> Response[str]:
    """A line for each key that ever signed, the newest first. Who trusts us for them trusts us for all: keep them."""
    async with parts.reading() as connection:
        keys = [row["verifier_key"] for row in await connection.fetch(_SQL["keys"], _known(partition))]
    if not keys:
        raise NotFound(f"No key of partition {partition}: nothing of it was ever sealed")
    return Response("".join(f"{key}\n" for key in keys), media_type=_TEXT, headers=_MUTABLE)


@get(f"{ROOT}/tile/{{path:path}}", include_in_schema=False)
async def get_tile(
    partition: FromPath[int], path: FromPath[Path], request: AnonymousRequest, parts: NamedDependency[Parts]
) -> Response[bytes]:
    place = str(path).lstrip("/")
    found = _PATH.fullmatch(place)
    if found is None:
        raise NotFound(
            "No tile has this path: it reads LEVEL/NNN or entries/NNN, and .p/WIDTH where it is partial"
        )
    audience = "public"
    if place.startswith(_ENTRIES):
        _require_auditor(request, parts.settings.evidence_token)
        audience = "private"
    try:
        content = await parts.objects.get(evidence_key(_known(partition), f"tile/{place}"))
    except ObjectMissing as problem:
        raise NotFound(
            "No such tile: the checkpoint tells which there are, and partial ones go when they are full"
        ) from problem
    lasting = _PARTIAL if found["partial"] else _FULL
    return Response(content, media_type=_TILE, headers={"Cache-Control": f"{audience}, {lasting}"})


def _known(partition: int) -> int:
    if not 0 <= partition <= _PARTITION_MAX:
        raise NotFound("There is no such partition")
    return partition


def _require_auditor(request: AnonymousRequest, token: str) -> None:
    """Entries hold what events hold: names of people's files, and who did what when."""
    if not token:
        raise NotAuthenticated(
            "Entries are not served here: set STENOLOG_EVIDENCE_TOKEN, and send it as a bearer token"
        )
    given = request.headers.get("Authorization", "")
    if not compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise NotAuthenticated(
            "Entries are for auditors: send `Authorization: Bearer <STENOLOG_EVIDENCE_TOKEN>`"
        )
