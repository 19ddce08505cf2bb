"""Appending single events at growing numbers of callers: ours, two peers, and unordered commits as the limit; then one user."""

import asyncio
import os
import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from benchmarks import hot_streams, one_user
from benchmarks.measure import Measurement, Target, report
from benchmarks.uma import rate_of_uma
from benchmarks.writers import PARTITIONS, append_one, rate
from embedded.postgres import Postgres, programs_folder
from infrastructure.postgres.store import PostgresEventStore
from tests.keys import keys_on

CALLERS: Final = (1, 16, 64, 256)
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "2.5"))
LIBRARY_CONNECTIONS_MAX: Final = 64
PAYLOAD: Final = "x" * 200

PACKAGE: Final = "package"
ONE_BY_ONE: Final = "one by one"
UMA: Final = "UmaDB"
LIMIT: Final = "pgbench"
CAPTION: Final = (
    "package: the recorder of eventsourcing in its safe mode; one by one: one INSERT per commit under one lock; "
    "UmaDB: its server with its defaults, each caller a thread and a connection, an event on condition that its stream is new; "
    "pgbench: commits in no order, the limit"
)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="stenolog-bench-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder) / "postgres", Path(folder) / "postgres.log")
        await server.start()
        try:
            report("append", CAPTION, [await _measure(server, callers) for callers in CALLERS])
            await one_user.measure(server, SECONDS)
            await hot_streams.measure(server, SECONDS)
        finally:
            await server.stop()


async def _measure(server: Postgres, callers: int) -> Measurement:
    """Each contestant starts with an empty database and runs alone."""
    ours = await _ours(await server.create_database(f"ours_{callers}"), callers)
    peers = {
        PACKAGE: await asyncio.to_thread(
            _package, await server.create_database(f"package_{callers}"), callers
        ),
        ONE_BY_ONE: await _one_by_one(await server.create_database(f"one_{callers}"), callers),
        UMA: await rate_of_uma(callers, SECONDS, len(PAYLOAD)),
        LIMIT: await _pgbench(await server.create_database(f"pgbench_{callers}"), callers),
    }
    at_64 = (
        Target(peer=PACKAGE, ratio=25),
        Target(peer=ONE_BY_ONE, ratio=5),
        Target(peer=LIMIT, ratio=0.9),
    )
    return Measurement(
        situation=f"{callers} callers",
        unit="commands/s",
        ours=ours,
        peers=peers,
        targets=at_64 if callers == 64 else (),
    )


async def _ours(url: str, callers: int) -> float:
    async with (
        await one_user.prepared(url) as pool,
        PostgresEventStore(pool, PARTITIONS, keys_on(pool)) as store,
    ):
        return await rate([lambda: append_one(store)] * callers, SECONDS)


def _package(url: str, callers: int) -> float:
    """The package is synchronous, so each caller is a thread with a connection."""
    parts = urlsplit(url)
    datastore = PostgresDatastore(
        parts.path[1:],
        parts.hostname or "",
        parts.port or 0,
        parts.username or "",
        parts.password or "",
        pool_size=min(callers, LIBRARY_CONNECTIONS_MAX),
        max_waiting=callers,
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name="stored_events")
    recorder.create_table()
    with datastore.get_connection():
        pass  # Opens the pool, which threads would race for.
    datastore.pool.wait(60)
    try:
        return _rate_of_threads(callers, recorder)
    finally:
        datastore.close()


def _rate_of_threads(callers: int, recorder: PostgresApplicationRecorder) -> float:
    ends_at = time.perf_counter() + SECONDS
    calls = [0] * callers

    def call(number: int) -> None:
        while time.perf_counter() < ends_at:
            recorder.insert_events([StoredEvent(uuid4(), 1, "QuotaGranted", PAYLOAD.encode())])
            calls[number] += 1

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        list(threads.map(call, range(callers)))  # Raises what a thread raised.
    return sum(calls) / (time.perf_counter() - began)


async def _one_by_one(url: str, callers: int) -> float:
    """A gap-free sequence in the plainest way: lock one counter row, insert, commit."""
    async with asyncpg.create_pool(url, min_size=1, max_size=min(callers, 64)) as pool:
        await pool.execute(
            "create table head (seq bigint not null); insert into head values (0);"
            "create table event (seq bigint primary key, id uuid unique, payload text)"
        )

        async def append() -> None:
            await pool.execute(
                "with next as (update head set seq = seq + 1 returning seq)"
                " insert into event select seq, $1, $2 from next",
                uuid4(),
                PAYLOAD,
            )

        return await rate([append] * callers, SECONDS)


async def _pgbench(url: str, callers: int) -> float:
    """What the machine commits when nobody asks for an order."""
    connection = await asyncpg.connect(url)
    await connection.execute("create table event (seq bigserial primary key, payload text)")
    await connection.close()
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"insert into event (payload) values ('{PAYLOAD}');\n")
        script.flush()
        process = await asyncio.create_subprocess_exec(
            str(programs_folder() / "pgbench"),
            *("-n", "-M", "prepared", "-f", script.name, "-c", str(min(callers, 150)), "-j", "2"),
            *("-T", str(round(SECONDS)), url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
    found = re.search(r"tps = ([\d.]+)", output.decode())
    assert found, errors.decode()
    return float(found.group(1))
