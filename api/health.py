"""Whether this process is alive, and whether every part it needs is ready."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias
from uuid import uuid4

from litestar import Response, get
from litestar.datastructures import State

from domain.ports import ObjectStore
from infrastructure.postgres.leases import DISPATCH, PROJECT, RELAY
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from projections.lag import Lag, read_lags
from projections.models import READ_MODELS
from schemas.bodies import Check, Message, Readiness

CHECK_SECONDS_MAX: Final = 3.0
KEEP_SECONDS: Final = 0.5
"""For how long an answer serves everybody who asks: checking costs a write to the object store."""
LAG_SECONDS_MAX: Final = 10.0
"""How old the oldest event may be that a read model has not folded."""
FAILURES_MAX: Final = 5
"""How many events that cannot be folded, or partitions that cannot be relayed, are named; the rest is counted."""
WORKER_SILENCE_SECONDS_MAX: Final = 15.0

Look: TypeAlias = Callable[[], Awaitable[str]]
"""Answers what is known of a part; raises NotReady."""

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
        required: dict[str, Look] = {
            "database": self._database,
            "object_store": self._object_store,
            "read_models": self._read_models,
        }
        others: dict[str, Look] = {
            RELAY: self._relay,
            PROJECT: partial(self._members, PROJECT),
            DISPATCH: self._dispatch,
            "workers": self._workers,
        }
        looks = required | others
        checks = await asyncio.gather(
            *(_check(look, required=name in required) for name, look in looks.items())
        )
        ready = all(check.ready for check in checks if check.required)
        return Readiness(ready=ready, parts=dict(zip(looks, checks, strict=True)))

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
        lags = [each for each in await self._lags() if each.projection in READ_MODELS]
        if strange := sorted({each.partition for each in lags if not each.began}):
            raise NotReady(f"no projector has begun with partitions {strange}: run `stenolog project`")
        behind = f"{_events_behind(lags)} events behind"
        age_seconds = max((each.lag_seconds for each in lags), default=0.0)
        late = f"{behind}, the oldest for {age_seconds:.0f} s"
        if failures := _failures(lags):
            raise NotReady(f"{failures}; {late}")
        if age_seconds > self._lag_seconds_max:
            raise NotReady(late)
        return behind

    async def _relay(self) -> str:
        refusals = [row["reason"] for row in await self._pool.fetch(_SQL["refusals"])]
        if refusals:
            raise NotReady("; ".join(_some(refusals)))
        return await self._members(RELAY)

    async def _dispatch(self) -> str:
        lags = await self._lags()
        if failures := _failures([each for each in lags if each.projection not in READ_MODELS]):
            raise NotReady(failures)
        return await self._members(DISPATCH)

    async def _lags(self) -> list[Lag]:
        async with self._pool.acquire() as connection:
            return await read_lags(connection, list(READ_MODELS))

    async def _members(self, role: str) -> str:
        members = await self._pool.fetchval(_SQL["members"], role)
        if not members:
            raise NotReady("no process at work")
        return f"{members} at work"

    async def _workers(self) -> str:
        workers, slots = await self._pool.fetchrow(_SQL["workers"], WORKER_SILENCE_SECONDS_MAX) or (0, 0)
        if not workers:
            raise NotReady("none seen: transcriptions wait until one is there")
        return f"{workers} seen, with room for {slots} transcriptions at once"


def _events_behind(lags: Sequence[Lag]) -> int:
    """By the projection furthest behind in each partition."""
    behind: dict[int, int] = defaultdict(int)
    for each in lags:
        behind[each.partition] = max(behind[each.partition], each.lag_events)
    return sum(behind.values())


def _failures(lags: Sequence[Lag]) -> str:
    """The events that projections stand still at, each once."""
    stuck: dict[str, list[str]] = defaultdict(list)
    for each in lags:
        if each.failing is not None:
            stuck[str(each.failing)].append(each.projection)
    told = [f"{', '.join(names)} cannot fold {event}" for event, names in stuck.items()]
    return "; ".join(_some(told))


def _some(told: list[str]) -> list[str]:
    """The first few, and how many more there are."""
    more = [f"and {len(told) - FAILURES_MAX} more"] if len(told) > FAILURES_MAX else []
    return told[:FAILURES_MAX] + more


async def _check(look: Look, *, required: bool) -> Check:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return Check(ready=True, required=required, detail=await look())
    except NotReady as problem:
        detail = str(problem)
    except TimeoutError:
        detail = f"no answer within {CHECK_SECONDS_MAX:.0f} s"
    except Exception as problem:  # noqa: BLE001  # whatever keeps a part from answering makes it unready
        detail = f"does not answer: {type(problem).__name__}"
    return Check(ready=False, required=required, detail=detail)
