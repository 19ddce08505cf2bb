"""A live projector for the duration of a test, and what its tables hold."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from domain.ports import EventLog
from infrastructure.postgres.pool import Connection
from projections.models import READ_MODELS
from projections.projection import Projection
from projections.reading import Reading
from projections.runner import Pace, Runner
from tests.keys import READING
from tests.projections.feeds import HeldLeases, LogFeed

DEADLINE_SECONDS = 20.0
POLL_SECONDS = 0.01
QUICK = Pace(renew_seconds=0.02, retry_seconds_min=0.05, retry_seconds_max=0.2)


def new_runner(
    pool: "asyncpg.Pool[Any]",
    log: EventLog,
    *,
    leases: HeldLeases | None = None,
    feed: LogFeed | None = None,
    projections: Sequence[Projection[Any]] = tuple(READ_MODELS.values()),
    reading: Reading = READING,
    channel: str | None = None,
    pace: Pace = QUICK,
) -> Runner:
    return Runner(
        pool,
        feed or LogFeed(log),
        leases or HeldLeases(range(log.partition_count)),
        projections,
        reading,
        channel=channel,
        pace=pace,
    )


@asynccontextmanager
async def running(runner: Runner) -> AsyncIterator[None]:
    """Runs until the end of the block, which sees its death as an error."""
    async with asyncio.timeout(DEADLINE_SECONDS * 3), asyncio.TaskGroup() as tasks:
        projecting = tasks.create_task(runner.run())
        try:
            yield
        finally:
            projecting.cancel()


async def until(
    condition: Callable[[], Awaitable[bool]], deadline_seconds: float = DEADLINE_SECONDS
) -> None:
    async with asyncio.timeout(deadline_seconds):
        while not await condition():  # the condition is in the database
            await asyncio.sleep(POLL_SECONDS)


async def project_all(pool: "asyncpg.Pool[Any]", log: EventLog, reading: Reading = READING) -> None:
    """Folds what the log holds by now."""
    async with running(new_runner(pool, log, reading=reading)):
        await until_reached(pool, log)


async def until_reached(pool: "asyncpg.Pool[Any]", log: EventLog, *but: int) -> None:
    """Waits for every read model to have folded every partition of the log, except some."""
    heads = {partition: await log.head(partition) for partition in range(log.partition_count)}
    wanted = {partition: seq for partition, seq in heads.items() if partition not in but}

    async def all_reached() -> bool:
        async with pool.acquire() as connection:
            there = await checkpoints_of(connection)
        return all(there.get((name, p), -1) >= seq for p, seq in wanted.items() for name in READ_MODELS)

    await until(all_reached)


async def checkpoints_of(connection: Connection) -> dict[tuple[str, int], int]:
    rows = await connection.fetch("select projection, partition, seq from projection_checkpoints")
    return {(row["projection"], row["partition"]): row["seq"] for row in rows}


async def contents(pool: "asyncpg.Pool[Any]") -> dict[str, list[tuple[object, ...]]]:
    """Every row of every read model, as it was folded."""
    async with pool.acquire() as connection:
        return {
            name: [tuple(row) for row in await connection.fetch(f"select {columns} from {name} order by 1")]
            for name, columns in folded_columns().items()
        }


def folded_columns() -> dict[str, str]:
    """Of each read model, without what its table has besides."""
    return {name: ", ".join(each.row.__struct_fields__) for name, each in READ_MODELS.items()}
