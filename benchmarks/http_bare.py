"""Litestar on our server without all that is ours: `python -m benchmarks.http_bare KIND PORT`.

`bare` answers what it was given; `handler` checks a token and asks PostgreSQL once, in one function each.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import jwt
import uvloop
from litestar import Litestar, Request, get
from litestar.exceptions import NotAuthorizedException, NotFoundException, PermissionDeniedException
from litestar.params import FromPath
from msgspec import Struct

from api.server import Server
from infrastructure.settings import Settings

TRANSCRIPTION: Final = """
    select id, file_id, user_id, status, progress_percentage, created_at, completed_at, transcript_text,
        processing_time_seconds
    from transcriptions where id = $1"""
LIST: Final = """
    select id, file_id, status, progress_percentage, created_at, completed_at
    from transcriptions where user_id = $1 order by created_at desc limit 50"""
QUOTA: Final = "select quota_minutes from users where id = $1"


class Listed(Struct, frozen=True):
    transcription_id: UUID
    file_id: UUID
    status: str
    progress_percentage: int
    created_at: datetime
    completed_at: datetime | None


class One(Struct, frozen=True):
    transcription_id: UUID
    file_id: UUID
    status: str
    progress_percentage: int
    created_at: datetime
    completed_at: datetime | None
    transcript_text: str | None
    processing_time_seconds: int | None


class Quota(Struct, frozen=True):
    quota_minutes_remaining: int


def caller_of(request: Request[Any, Any, Any]) -> UUID:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        claims = jwt.decode(token, os.environ["PEER_SECRET"], algorithms=["HS256"])
        return UUID(claims["user_id"])
    except (jwt.InvalidTokenError, KeyError, ValueError):
        raise NotAuthorizedException(scheme) from None


@get("/v1/transcriptions/{transcription_id:uuid}")
async def one(request: Request[Any, Any, Any], transcription_id: FromPath[UUID]) -> One:
    caller = caller_of(request)
    row = await request.app.state.pool.fetchrow(TRANSCRIPTION, transcription_id)
    if row is None:
        raise NotFoundException
    if row["user_id"] != caller:
        raise PermissionDeniedException
    return One(row[0], row[1], *row[3:])


@get("/v1/transcriptions")
async def listed(request: Request[Any, Any, Any]) -> list[Listed]:
    rows = await request.app.state.pool.fetch(LIST, caller_of(request))
    return [Listed(*row) for row in rows]


@get("/v1/user/quota")
async def quota(request: Request[Any, Any, Any]) -> Quota:
    return Quota(await request.app.state.pool.fetchval(QUOTA, caller_of(request)))


@asynccontextmanager
async def opened_pool(app: Litestar) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["PEER_DATABASE"], min_size=16, max_size=16) as pool:
        app.state.pool = pool
        yield


def constant() -> list[Any]:
    """Handlers that know their answers: as long as those of `handler`, and made JSON each time."""
    when = datetime.fromisoformat("2026-11-26T12:00:00+00:00")
    some = UUID(int=1)
    answer = One(some, some, "completed", 100, when, when, "word " * 150, 1)
    answers = [Listed(some, some, "completed", 100, when, when)] * 20

    @get("/v1/transcriptions/{transcription_id:uuid}")
    async def bare_one(transcription_id: FromPath[UUID]) -> One:  # noqa: ARG001  # read, as a handler reads it
        return answer

    @get("/v1/transcriptions")
    async def bare_list() -> list[Listed]:
        return answers

    @get("/v1/user/quota")
    async def bare_quota() -> Quota:
        return Quota(60)

    return [bare_one, bare_list, bare_quota]


def application(kind: str) -> Litestar:
    if kind == "bare":
        return Litestar(constant(), openapi_config=None, logging_config=None)
    return Litestar([one, listed, quota], lifespan=[opened_pool], openapi_config=None, logging_config=None)


if __name__ == "__main__":
    uvloop.run(Server(application(sys.argv[1]), Settings(port=int(sys.argv[2]))).serve())
