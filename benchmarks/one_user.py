"""One user who does a great deal: commands through their handlers, a long history, and several processes at once."""

import asyncio
import statistics
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from benchmarks.measure import Measurement, Target, report
from benchmarks.writers import (
    CONNECTIONS_MAX,
    NEW_STREAMS,
    ONE_USER,
    PARTITIONS,
    Person,
    grant_minutes,
    person,
    provenance_of,
    rate,
    stream,
)
from domain.events import Event
from domain.quota import QUOTA, QuotaReleased, QuotaReserved
from embedded.postgres import Postgres
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from tests.keys import keys_on

CALLERS: Final = (1, 16, 64, 256)
COMMANDS_PER_SECOND_MIN: Final = 500
PROCESSES: Final = (1, 2, 4)
CALLERS_PER_PROCESS: Final = 64
LONG: Final = 100_000
SHORT: Final = 10
EVENTS_AT_ONCE: Final = 1_000
MANY_USERS: Final = "many users"
NEW: Final = "new streams"
SHORT_STREAM: Final = f"{SHORT} events"
START_SECONDS_MAX: Final = 30.0


async def measure(server: Postgres, seconds: float) -> None:
    report(
        "append_one_user",
        "requests and cancellations through their handlers in one process, three streams each; "
        "many users: the same, but each caller is a user",
        [await _one_user(server, callers, seconds) for callers in CALLERS],
    )
    report(
        "append_long_stream",
        f"one caller's request or cancellation when the quota's stream has {LONG:,} events; "
        f"{SHORT_STREAM}: when it has {SHORT}, in turn with the other",
        await _long_stream(server, seconds),
    )
    report(
        "append_processes",
        f"{CALLERS_PER_PROCESS} callers in each process, all of them one user; new streams: one event to each",
        [await _processes(server, processes, seconds) for processes in PROCESSES],
    )


async def prepared(url: str) -> Pool:
    """A pool as an API process has it, on a log that is ready."""
    pool = await create_pool(url, size_max=CONNECTIONS_MAX)
    await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
    return pool


async def _one_user(server: Postgres, callers: int, seconds: float) -> Measurement:
    rates: list[float] = []
    for users in (1, callers):
        url = await server.create_database(f"users_{users}_of_{callers}")
        async with (
            await prepared(url) as pool,
            PostgresEventStore(pool, PARTITIONS, keys_on(pool)) as store,
        ):
            ids = [uuid4() for _ in range(users)]
            for user_id in ids:
                await grant_minutes(store, user_id)
            people = [await person(store, ids[number % users]) for number in range(callers)]
            rates.append(await rate([each.command for each in people], seconds))
    return Measurement(
        situation=f"{callers} callers",
        unit="commands/s",
        ours=rates[0],
        peers={MANY_USERS: rates[1]},
        to_reach=COMMANDS_PER_SECOND_MIN if callers >= 64 else None,
    )


async def _long_stream(server: Postgres, seconds: float) -> list[Measurement]:
    url = await server.create_database("long_stream")
    async with await prepared(url) as pool:
        async with PostgresEventStore(pool, PARTITIONS, keys_on(pool)) as store:
            users = [await _with_history(store, events) for events in (LONG, SHORT)]
        async with PostgresEventStore(
            pool, PARTITIONS, keys_on(pool)
        ) as store:  # It knows nothing of either.
            people = [await person(store, user_id) for user_id in users]
            first = [await _milliseconds(each) for each in people]
            known: tuple[list[float], list[float]] = ([], [])
            ends_at = time.perf_counter() + seconds
            while time.perf_counter() < ends_at:
                for each, latencies in zip(people, known, strict=True):
                    latencies.append(await _milliseconds(each))
    at_most = Target(peer=SHORT_STREAM, ratio=1.5, at_most=True)
    medians = [statistics.median(each) for each in known]
    late = [statistics.quantiles(each, n=20)[-1] for each in known]
    return [
        _latency("p50", medians, at_most),
        _latency("p95", late),
        _latency("the first, which reads it all", first),
    ]


def _latency(situation: str, milliseconds: list[float], *targets: Target) -> Measurement:
    ours, short = milliseconds
    return Measurement(
        situation=situation, unit="ms", ours=ours, peers={SHORT_STREAM: short}, targets=targets
    )


async def _milliseconds(who: Person) -> float:
    began = time.perf_counter()
    await who.command()
    return 1_000 * (time.perf_counter() - began)


async def _with_history(store: PostgresEventStore, length: int) -> UUID:
    """A user whose quota has had so many events: minutes granted once, then reserved and released."""
    user_id = uuid4()
    await grant_minutes(store, user_id)
    version = 1
    while version < length:
        events = _reservations(user_id, min(EVENTS_AT_ONCE, length - version))
        entry = stream(QUOTA.stream_id(user_id), user_id, events, at=version)
        await store.append([entry], provenance_of(user_id))
        version += len(events)
    return user_id


def _reservations(user_id: UUID, count: int) -> list[Event]:
    now = datetime.now(UTC)
    held = QuotaReserved(user_id=user_id, transcription_id=user_id, minutes=1, reserved_at=now)
    released = QuotaReleased(user_id=user_id, transcription_id=user_id, minutes=1, released_at=now)
    return [released if number % 2 else held for number in range(count)]


async def _processes(server: Postgres, processes: int, seconds: float) -> Measurement:
    rates = [await _together(server, kind, processes, seconds) for kind in (ONE_USER, NEW_STREAMS)]
    return Measurement(
        situation="1 process" if processes == 1 else f"{processes} processes",
        unit="commands/s",
        ours=rates[0],
        peers={NEW: rates[1]},
        to_reach=COMMANDS_PER_SECOND_MIN,
    )


async def _together(server: Postgres, kind: str, processes: int, seconds: float) -> float:
    """What so many processes get through, which begin at the same moment."""
    url = await server.create_database(f"processes_{processes}_{kind.replace('-', '_')}")
    user_id = uuid4()
    async with await prepared(url) as pool, PostgresEventStore(pool, PARTITIONS, keys_on(pool)) as store:
        await grant_minutes(store, user_id)
    command = [sys.executable, "-m", "benchmarks.writers", url, kind, str(CALLERS_PER_PROCESS)]
    async with AsyncExitStack() as exits:
        writers = [
            await asyncio.create_subprocess_exec(
                *command,
                str(seconds),
                str(user_id),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(processes)
        ]
        for writer in writers:
            exits.push_async_callback(writer.communicate, b"\n")
        async with asyncio.timeout(START_SECONDS_MAX + seconds):
            for writer in writers:
                assert writer.stdout is not None
                assert await writer.stdout.readline() == b"ready\n"
            answers = await asyncio.gather(*(writer.communicate(b"go\n") for writer in writers))
        exits.pop_all()
    return sum(float(output) for output, _ in answers)
