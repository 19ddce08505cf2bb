"""How the parts of the whole system stand, as the API sees them."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from api.abilities import WORKER_SILENCE_SECONDS_MAX, abilities_of
from api.checks import Look, NotReady, readiness
from api.database import look_at_database
from domain.languages import Abilities, shared_abilities
from domain.ports import ObjectStore
from infrastructure.disk import FREE_BYTES_MIN, free_bytes
from infrastructure.postgres.detached import detached_partitions
from infrastructure.postgres.errors import TableDetached
from infrastructure.postgres.kafka_damage import PostgresKafkaDamage
from infrastructure.postgres.leases import DISPATCH, PROJECT, RELAY, SEAL
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from projections.lag import Lag, read_lags
from projections.models import READ_MODELS
from schemas.bodies import Readiness

LAG_SECONDS_MAX: Final = 10.0
"""How old the oldest event may be that a read model has not folded."""
FAILURES_MAX: Final = 5
"""How many events that cannot be folded, or partitions that cannot be relayed, are named; the rest is counted."""
_GIB: Final = 1 << 30

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class ObjectStoreProbe:
    """Puts a small object into the store and takes it out again; never a second one before the first has ended.

    A thread that waits for a dead disk cannot be stopped, and there are few of them.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._probing: asyncio.Task[None] | None = None

    async def look(self) -> str:
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._probe(), name="probing the object store")
            self._probing.add_done_callback(_look_at_its_end)
        await asyncio.shield(self._probing)
        return "takes objects"

    async def _probe(self) -> None:
        key = f"health/{uuid4()}"
        await self._objects.put(key, b"ready")
        await self._objects.delete(key)


def _look_at_its_end(probing: asyncio.Task[None]) -> None:
    """Nobody may be waiting any more; a later look says the same."""
    if not probing.cancelled():
        probing.exception()


class SystemHealth:
    """`disks` are folders of this process that fill up, by what lies in them; `sandbox_gaps` what is not in force."""

    def __init__(
        self,
        pool: Pool,
        objects: ObjectStore,
        disks: Mapping[str, Path],
        sandbox_gaps: Sequence[str] = (),
        lag_seconds_max: float = LAG_SECONDS_MAX,
    ) -> None:
        self._pool = pool
        self._object_store = ObjectStoreProbe(objects)
        self._disks = disks
        self._sandbox_gaps = sandbox_gaps
        self._lag_seconds_max = lag_seconds_max

    async def readiness(self) -> Readiness:
        required: dict[str, Look] = {
            "database": partial(look_at_database, self._pool),
            "object_store": self._object_store.look,
            "read_models": self._read_models,
        }
        others: dict[str, Look] = {
            "event_log": self._event_log,
            "kafka": self._kafka,
            RELAY: self._relay,
            PROJECT: partial(self._members, PROJECT),
            "dispatch": self._dispatch,
            SEAL: self._seal,
            "workers": self._workers,
            "disks": self._free_space,
            "sandbox": self._sandbox,
        }
        return await readiness(required, others)

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

    async def _event_log(self) -> str:
        if detached := await detached_partitions(self._pool):
            raise NotReady(str(TableDetached(detached)))
        return "every partition is attached"

    async def _kafka(self) -> str:
        """What its readers have found; whether it answers, those who need it show."""
        if damages := await PostgresKafkaDamage(self._pool).known():
            raise NotReady("; ".join([*_some([str(each) for each in damages]), damages[0].remedy]))
        return "no damage known"

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

    async def _seal(self) -> str:
        refusals = [row["reason"] for row in await self._pool.fetch(_SQL["seal_refusals"])]
        if refusals:
            raise NotReady("; ".join(_some(refusals)))
        return await self._members(SEAL)

    async def _lags(self) -> list[Lag]:
        async with self._pool.acquire() as connection:
            return await read_lags(connection, list(READ_MODELS))

    async def _members(self, role: str) -> str:
        members = await self._pool.fetchval(_SQL["members"], role)
        if not members:
            raise NotReady("no process at work")
        return f"{members} at work"

    async def _workers(self) -> str:
        rows = await self._pool.fetch(_SQL["workers"], WORKER_SILENCE_SECONDS_MAX)
        if not rows:
            raise NotReady("none seen: transcriptions wait until one is there")
        slots = sum(row["slots"] for row in rows)
        seen = f"{len(rows)} seen, with room for {slots} transcriptions at once"
        return "; ".join([seen, *_limits(shared_abilities([abilities_of(row) for row in rows]))])

    async def _free_space(self) -> str:
        free = {name: await asyncio.to_thread(free_bytes, folder) for name, folder in self._disks.items()}
        told = "; ".join(f"{each / _GIB:.1f} GiB free for {name}" for name, each in free.items())
        if min(free.values(), default=FREE_BYTES_MIN) < FREE_BYTES_MIN:
            raise NotReady(f"the disk is full: {told}")
        return told

    async def _sandbox(self) -> str:
        """Around the media that this process looks at; each worker's is in its own log."""
        if self._sandbox_gaps:
            raise NotReady("; ".join(self._sandbox_gaps))
        return "in force"


def _limits(abilities: Abilities) -> list[str]:
    """What the workers' models cannot do."""
    lacks = {
        "the model knows English only": abilities.only_english,
        "translates nothing": not abilities.translates,
        "detects no language": not abilities.detects,
        "takes no prompt": not abilities.takes_prompt,
    }
    return [lack for lack, is_so in lacks.items() if is_so]


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
