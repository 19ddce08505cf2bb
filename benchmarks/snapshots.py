"""How long a process that has just started takes for the quota of somebody with 100,000 events, with a snapshot and without."""

import os
import statistics
import time
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from typing import Final
from uuid import UUID, uuid4

from benchmarks.measure import Measurement, Target, report
from benchmarks.one_user import prepared
from benchmarks.stack import PARTITIONS, open_folder
from commands.streams import StateCache
from domain.events import Event
from domain.log import Provenance, StreamAppend
from domain.quota import QUOTA, QuotaGranted, QuotaReleased, QuotaReserved
from domain.snapshots import Snapshot
from embedded.postgres import Postgres
from infrastructure.clock import SystemClock
from infrastructure.postgres.store import PostgresEventStore
from schemas.snapshots import snapshot_of
from tests.keys import keys_on

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "100000"))
BATCH: Final = 2_000
TURNS: Final = 20
WITHOUT: Final = "without a snapshot"
RATIO: Final = 0.1
CAPTION: Final = (
    f"one caller, in turn with the same without a snapshot: the state of a stream of {EVENTS:,} events, by a process that knows "
    "nothing of it yet"
)


class WithoutSnapshots(PostgresEventStore):
    async def read_snapshots(self, _: Collection[str]) -> Mapping[str, Snapshot]:
        return {}

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        """Nobody reads it."""


async def main() -> None:
    async with AsyncExitStack() as exits:
        folder = exits.enter_context(open_folder())
        server = Postgres(folder / "postgres", folder / "postgres.log")
        await server.start()
        exits.push_async_callback(server.stop)
        pool = await exits.enter_async_context(await prepared(await server.create_database("snapshots")))
        store = await exits.enter_async_context(PostgresEventStore(pool, PARTITIONS, keys_on(pool)))
        without = await exits.enter_async_context(WithoutSnapshots(pool, PARTITIONS, keys_on(pool)))
        owner_id = uuid4()
        await _write(store, owner_id)
        await _keep(store, owner_id)
        seconds = await _in_turn(store, without, owner_id)
    ours, peer = (statistics.median(taken) * 1000 for taken in seconds)
    target = Target(peer=WITHOUT, ratio=RATIO, at_most=True)
    measured = Measurement(
        situation="load, p50", unit="ms", ours=ours, peers={WITHOUT: peer}, targets=(target,)
    )
    report("snapshots", CAPTION, [measured])


async def _write(store: PostgresEventStore, owner_id: UUID) -> None:
    """Minutes that are reserved and released again, as by somebody who cancels a lot."""
    now = SystemClock().now()
    events: list[Event] = [QuotaGranted(user_id=owner_id, grant_id=owner_id, minutes=60, granted_at=now)]
    while len(events) < EVENTS:
        about = uuid4()
        events += [
            QuotaReserved(user_id=owner_id, transcription_id=about, minutes=1, reserved_at=now),
            QuotaReleased(user_id=owner_id, transcription_id=about, minutes=1, released_at=now),
        ]
    for start in range(0, EVENTS, BATCH):
        append = StreamAppend(
            stream_id=QUOTA.stream_id(owner_id),
            owner_id=owner_id,
            expected_version=start,
            events=events[start : min(start + BATCH, EVENTS)],
        )
        await store.append([append], Provenance(actor="benchmark", correlation_id=uuid4()))


async def _keep(store: PostgresEventStore, owner_id: UUID) -> None:
    [(stream_id, known)] = (await StateCache().read(store, [(QUOTA, owner_id)], owner_id)).items()
    await store.write_snapshot(snapshot_of(QUOTA, stream_id, known.head, known.state))


async def _in_turn(
    kept: PostgresEventStore, without: PostgresEventStore, owner_id: UUID
) -> tuple[list[float], list[float]]:
    seconds: tuple[list[float], list[float]] = [], []
    for _ in range(TURNS):
        for store, taken in zip((kept, without), seconds, strict=True):
            taken.append(await _load(store, owner_id))
    return seconds


async def _load(store: PostgresEventStore, owner_id: UUID) -> float:
    began = time.perf_counter()
    [known] = (await StateCache().read(store, [(QUOTA, owner_id)], owner_id)).values()
    assert known.head.version == EVENTS
    return time.perf_counter() - began
