"""A look reads as many rows as it gives jobs out, however many wait: counted in PostgreSQL's own plans."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
import pytest

from dispatcher.tables import SQL, PostgresDispatchTables
from infrastructure.postgres.pool import Connection
from tests.dispatcher.rigs import postgres_rig

FEW, MANY = 100, 100_000
JOBS_MAX = 10
RUNNING = 20
OLD = {"one job": (1, 1), "jobs of one user": (FEW, 1), "jobs of many users": (FEW, FEW)}
KNOWN = (*OLD, "all")
COUNT = "analyze dispatch_queue, dispatch_users, dispatch_leases"
PLANS = ("force_generic_plan", "force_custom_plan")

FILL = """
with waiting as (
    insert into dispatch_queue (transcription_id, user_id, requested_at, status, duration_seconds, failures, attempt,
        due_at)
    select gen_random_uuid(), md5((n % $2)::text)::uuid, now(), 'queued', 60, 0, 0, now()
    from generate_series(1, $1::integer) n
    returning user_id, arrival
)
insert into dispatch_users (user_id, waiting, finish_seconds, arrival)
select user_id, count(*), random() * 1000, min(arrival) from waiting group by user_id
"""

RUN = """
insert into dispatch_leases (transcription_id, attempt, worker_id, user_id, requested_at, expires_at)
select transcription_id, 1, gen_random_uuid(), user_id, requested_at, now() from dispatch_queue limit $1
"""


async def rows_read(pool: "asyncpg.Pool[Any]", jobs: int, users: int, known: str) -> Mapping[str, float]:
    """What one look reads, by plan; `known` is what PostgreSQL knows about how much there is."""
    if known in OLD:
        await _fill(pool, *OLD[known])
        await pool.execute(COUNT)
    await _fill(pool, jobs, users)
    async with pool.acquire() as connection, connection.transaction():
        if known == "all":
            await connection.execute(COUNT)
        await connection.execute(SQL["by_index"])
        await connection.execute(f"prepare look (integer, uuid[]) as {SQL['waiting_jobs']}")
        try:
            return {plan: await _rows_read(connection, plan) for plan in PLANS}
        finally:
            await connection.execute("deallocate look")


async def _fill(pool: "asyncpg.Pool[Any]", jobs: int, users: int) -> None:
    await postgres_rig(pool)
    await pool.execute(FILL, jobs, users)
    await pool.execute(RUN, RUNNING)


async def _rows_read(connection: Connection, plan: str) -> float:
    await connection.execute(f"set local plan_cache_mode = {plan}")
    look = f"explain (analyze, timing off, format json) execute look({JOBS_MAX}, '{{}}')"
    [explained] = json.loads(await connection.fetchval(look))
    return sum(_read(node) for node in _nodes(explained["Plan"]))


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


def _read(node: Mapping[str, Any]) -> float:
    """Rows that came out of a node, and those that it took up in vain."""
    in_vain = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    return float((node["Actual Rows"] + in_vain) * node["Actual Loops"])


@pytest.mark.parametrize("users", [1, MANY])
@pytest.mark.parametrize("known", KNOWN)
async def test_a_look_at_a_long_queue_reads_no_more_than_one_at_a_short_queue(
    connections: "asyncpg.Pool[Any]", users: int, known: str
) -> None:
    short = await rows_read(connections, FEW, users, known)
    long = await rows_read(connections, MANY, users, known)
    for plan in PLANS:
        assert 0 < long[plan] <= 2 * short[plan]


async def test_a_long_queue_is_looked_at_from_its_front(connections: "asyncpg.Pool[Any]") -> None:
    rig = await postgres_rig(connections)
    await connections.execute(FILL, FEW, FEW)
    users = await PostgresDispatchTables(connections).waiting_users(1, [])
    firsts = await connections.fetch(
        "select user_id from dispatch_users order by finish_seconds, arrival limit 64"
    )
    assert {user.user_id for user in users} == {row["user_id"] for row in firsts}
    assert await rig.tables.virtual_seconds() == 0.0
