"""What an append, a load and a GET take when five million events are in the log, in turn with a log of few."""

import asyncio
import os
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx

from api.tokens import Tokens
from benchmarks.history import history, write_log
from benchmarks.measure import Measurement, Target, report
from benchmarks.one_user import prepared
from benchmarks.stack import PARTITIONS, open_folder
from benchmarks.writers import append_one
from domain.log import StreamHead
from embedded.ports import LOOPBACK, free_port
from embedded.postgres import Postgres
from embedded.processes import start
from embedded.product import module_command
from infrastructure.clock import SystemClock
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.settings import Settings
from projections import models
from projections.models import READ_MODELS
from projections.rebuild import rebuild
from tests.keys import MASTER_KEYS_TEXT, READING, keys_on

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "5000000"))
FEW: Final = 5_000
HALVES: Final = (range(0, PARTITIONS, 2), range(1, PARTITIONS, 2))
FOLDED: Final = "transcriptions"
"""What is asked for; of the users only those who ask get their rows."""
ASKS: Final = (
    "insert into read.users (id, email, created_at, updated_at, quota_minutes) values ($1, $2, now(), now(), 60) "
    "on conflict do nothing"
)
SAMPLES: Final = 1_000
"""Recordings that are asked for, one after the other, in no order."""
TURNS: Final = 2_000
EVENTS_MAX: Final = 1_000
START_SECONDS_MAX: Final = 60.0
RATIO: Final = 1.2
SHALLOW: Final = f"{FEW:,} events"
CAPTION: Final = (
    f"one caller, in turn with the same on {SHALLOW}: a new stream's first event, durable; a recording's stream from the database, as a "
    "process does that does not know it yet; GET of one transcription through an API process"
)

Once = Callable[[], Awaitable[object]]


async def main() -> None:
    async with AsyncExitStack() as exits:
        folder = exits.enter_context(open_folder())
        server = Postgres(folder / "postgres", folder / "postgres.log")
        await server.start()
        exits.push_async_callback(server.stop)
        deep, few = [
            await exits.enter_async_context(_log_of(events, server, folder)) for events in (EVENTS, FEW)
        ]
        report(
            "deep",
            CAPTION,
            [line for name in deep for line in await _in_turn(name, deep[name], few[name])],
        )


async def _in_turn(name: str, deep: Once, few: Once) -> list[Measurement]:
    seconds: tuple[list[float], list[float]] = [], []
    for _ in range(TURNS):
        for once, taken in zip((deep, few), seconds, strict=True):
            began = time.perf_counter()
            await once()
            taken.append(time.perf_counter() - began)
    middle = [statistics.median(taken) * 1000 for taken in seconds]
    late = [statistics.quantiles(taken, n=100)[-1] * 1000 for taken in seconds]
    at_most = Target(peer=SHALLOW, ratio=RATIO, at_most=True)
    return [_measured(f"{name}, p50", middle, at_most), _measured(f"{name}, p99", late)]


def _measured(situation: str, milliseconds: Sequence[float], *targets: Target) -> Measurement:
    deep, few = milliseconds
    return Measurement(situation=situation, unit="ms", ours=deep, peers={SHALLOW: few}, targets=targets)


@asynccontextmanager
async def _log_of(events: int, server: Postgres, folder: Path) -> AsyncIterator[dict[str, Once]]:
    """What is measured, on a database of its own with so many events and the read model of them."""
    url = await server.create_database(f"events_{events}")
    async with await prepared(url) as pool:
        print(f"writing {events:,} events and folding them", flush=True)
        await _fill(pool, url, events)
        asked = await pool.fetch(
            "select user_id, id as transcription_id from read.transcriptions where status = 'cancelled' "
            "order by id limit $1",
            SAMPLES,
        )
        await pool.executemany(
            ASKS, [(each["user_id"], f"{each['user_id'].hex}@example.com") for each in asked]
        )
        async with (
            PostgresEventStore(pool, PARTITIONS, keys_on(pool)) as store,
            _api(url, folder / str(events)) as get,
        ):
            streams, recordings = cycle(asked), cycle(asked)

            async def load() -> None:
                stream_id = f"transcription-{next(streams)['transcription_id']}"
                assert (await store.read_streams({stream_id: StreamHead()}, EVENTS_MAX))[stream_id].events

            async def get_one() -> None:
                await get(*next(recordings))

            yield {"append": lambda: append_one(store), "load": load, "GET one": get_one}


async def _fill(pool: Pool, url: str, events: int) -> None:
    """In two processes, since two minutes of Python are what it takes."""
    async with pool.acquire() as connection:
        await models.migrate(connection)
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(len(HALVES), mp_context=get_context("spawn")) as processes:
        await asyncio.gather(
            *(loop.run_in_executor(processes, _write, url, events // 2, half) for half in HALVES)
        )
        await loop.run_in_executor(processes, _fold, url)
    await pool.execute("vacuum analyze read.transcriptions")


def _write(url: str, events: int, partitions: Sequence[int]) -> None:
    async def write() -> None:
        async with await create_pool(url, size_max=1, command_seconds=300) as pool:
            await write_log(pool, history(events, partitions))

    asyncio.run(write())


def _fold(url: str) -> None:
    async def fold() -> None:
        async with (
            await create_pool(url, command_seconds=300) as pool,
            PostgresEventLog(pool, PARTITIONS) as event_log,
            pool.acquire() as connection,
        ):
            await rebuild(connection, event_log, READ_MODELS[FOLDED], READING, lambda _folded, _there: None)

    asyncio.run(fold())


@asynccontextmanager
async def _api(url: str, folder: Path) -> AsyncIterator[Callable[[UUID, UUID], Awaitable[None]]]:
    """A process, and what asks it for a user's transcription."""
    secret, port = secrets.token_hex(32), free_port()
    settings = Settings(
        database_url=url,
        master_keys=MASTER_KEYS_TEXT,
        jwt_secret=secret,
        port=port,
        object_store=(folder / "objects").as_uri(),
    )
    tokens = Tokens(secret, 3600, SystemClock())
    api = await start(module_command(["api"], settings, folder / "api.log"))
    try:
        async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}/v1", trust_env=False) as client:
            await _until_ready(client)

            async def get(user_id: UUID, transcription_id: UUID) -> None:
                headers = {"Authorization": f"Bearer {tokens.issue(user_id)}"}
                answer = await client.get(f"/transcriptions/{transcription_id}", headers=headers)
                assert answer.status_code == 200, answer.text

            yield get
    finally:
        await api.stop()


async def _until_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                if (await client.get("/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
