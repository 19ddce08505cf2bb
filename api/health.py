"""Whether this process is alive, and whether every part it needs is ready."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

from litestar import Response, get
from litestar.datastructures import State

from domain.ports import ObjectStore
from infrastructure.postgres.pool import Pool
from projections import checkpoints
from projections.models import READ_MODELS
from schemas.bodies import Check, Message, Readiness
from schemas.queries import load_queries

CHECK_SECONDS_MAX: Final = 3.0
KEEP_SECONDS: Final = 0.5
"""For how long an answer serves everybody who asks: checking costs a write to the object store."""
LAG_SECONDS_MAX: Final = 10.0
"""How old the oldest event may be that a read model has not folded."""
ROLES: Final = ("relay", "projector", "dispatcher")

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class NotReady(Exception):
    """A part cannot do its work; the message says why, and to anybody."""


@get("/health/live", sync_to_thread=False)
def live() -> Message:
    """Answers as long as the process does."""
    return Message(message="alive")


@get("/health/ready")
async def ready(state: State) -> Response[Readiness]:
    """Says which part is not ready, and why."""
    health: Health = state.parts.health
    readiness = await health.readiness()
    return Response(readiness, status_code=200 if readiness.ready else 503)


class Health:
    """Looks at the parts, once in `KEEP_SECONDS` however many ask."""

    def __init__(self, pool: Pool, objects: ObjectStore, lag_seconds_max: float = LAG_SECONDS_MAX) -> None:
        self._pool = pool
        self._objects = objects
        self._lag_seconds_max = lag_seconds_max
        self._turn = asyncio.Lock()
        self._checked_at = -KEEP_SECONDS
        self._readiness = Readiness(ready=False, parts={})

    async def readiness(self) -> Readiness:
        async with self._turn:
            if time.monotonic() - self._checked_at > KEEP_SECONDS:
                self._readiness = await self._check()
                self._checked_at = time.monotonic()
            return self._readiness

    async def _check(self) -> Readiness:
        """The other processes are only told of: without them the API still takes commands and answers."""
        required = {
            "database": self._database,
            "object_store": self._object_store,
            "read_models": self._read_models,
        }
        told = {role: self._members_of(role) for role in ROLES}
        checks = required | told
        answers = await asyncio.gather(*(_answer(look) for look in checks.values()))
        parts = dict(zip(checks, answers, strict=True))
        return Readiness(ready=all(parts[name].ready for name in required), parts=parts)

    async def _database(self) -> str:
        if not await self._pool.fetchval(_SQL["migrated"]):
            raise NotReady("not migrated: run `stenolog migrate`")
        return "answers"

    async def _object_store(self) -> str:
        key = f"health/{uuid4()}"
        await self._objects.put(key, b"ready")
        await self._objects.delete(key)
        return "takes objects"

    async def _read_models(self) -> str:
        async with self._pool.acquire() as connection:
            reached = await checkpoints.reached(connection, list(READ_MODELS))
            unread = await connection.fetch(_SQL["unread"], list(reached), list(reached.values()))
        if strange := [row["partition"] for row in unread if row["partition"] not in reached]:
            raise NotReady(f"no projector has begun with partitions {strange}: run `stenolog project`")
        events = sum(row["events"] for row in unread)
        age_seconds = max((row["age_seconds"] for row in unread), default=0.0)
        if age_seconds > self._lag_seconds_max:
            raise NotReady(f"{events} events behind, the oldest for {age_seconds:.0f} s")
        return f"{events} events behind"

    def _members_of(self, role: str) -> Callable[[], Awaitable[str]]:
        async def count() -> str:
            members = await self._pool.fetchval(_SQL["members"], role)
            if not members:
                raise NotReady("no process at work")
            return f"{members} at work"

        return count


async def _answer(look: Callable[[], Awaitable[str]]) -> Check:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return Check(ready=True, detail=await look())
    except NotReady as problem:
        return Check(ready=False, detail=str(problem))
    except TimeoutError:
        return Check(ready=False, detail=f"no answer within {CHECK_SECONDS_MAX:.0f} s")
    except Exception as problem:  # noqa: BLE001  # whatever keeps a part from answering makes it unready
        return Check(ready=False, detail=f"does not answer: {type(problem).__name__}")
