"""Catching up from Kafka to the read models by one projector process; the limit is COPY of the same rows."""

import asyncio
import io
import os
import time
from collections.abc import Collection
from typing import Final

from benchmarks.history import chunks, history
from benchmarks.measure import Measurement, Target, report
from benchmarks.stack import PARTITIONS, Stack, running_stack
from domain.log import LogRecord
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.producer import TransactionalProducer
from infrastructure.postgres.pool import Pool, create_pool
from projections import checkpoints
from projections.models import READ_MODELS
from projections.runner import PROJECTED_CHANNEL, Runner
from relay.messages import messages_of
from schemas.topics import Topics

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "300000"))
DEADLINE_SECONDS: Final = 600.0
POLL_SECONDS: Final = 0.05
CHUNK: Final = 16_000

LIMIT: Final = "COPY"
CAPTION: Final = (
    "ours: events from Kafka folded into four read models, with checkpoints; "
    "COPY: the rows that result, copied into the same tables while they are empty, the limit"
)


class EveryPartition:
    """Leases of a process that is alone."""

    async def renew(self) -> Collection[int]:
        return range(PARTITIONS)

    async def release(self) -> None:
        """Nobody waits for them."""


async def main() -> None:
    async with running_stack() as stack:
        topics = await stack.topics("bench")
        heads = await _fill(stack, topics)
        async with await create_pool(await stack.database("projection")) as pool:
            ours = await _ours(stack, topics, pool, heads)
            limit = await _copy(stack, pool)
    measured = Measurement(
        situation=f"{EVENTS:,} events",
        unit="events/s",
        ours=ours,
        peers={LIMIT: limit},
        targets=(Target(peer=LIMIT, ratio=0.3),),
        to_reach=20_000,
    )
    report("projection", CAPTION, [measured])


async def _fill(stack: Stack, topics: Topics) -> dict[int, int]:
    """Sends a history as the relay would; returns the last `seq` of each partition."""
    heads: dict[int, int] = {}
    async with TransactionalProducer(stack.bootstrap, "bench-fill") as producer:
        for chunk in chunks(history(EVENTS), CHUNK):
            by_partition: dict[int, list[LogRecord]] = {}
            for record in chunk:
                by_partition.setdefault(record.partition, []).append(record)
                heads[record.partition] = record.seq
            for partition, records in by_partition.items():
                messages = messages_of(records, topics, partition, PARTITIONS)
                await producer.transact([messages], lambda _: None)
    return heads


async def _ours(stack: Stack, topics: Topics, pool: Pool, heads: dict[int, int]) -> float:
    feed = KafkaEventFeed(stack.bootstrap, topics)
    runner = Runner(pool, feed, EveryPartition(), list(READ_MODELS.values()), channel=PROJECTED_CHANNEL)
    began = time.perf_counter()
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await _reached(pool) != heads:
                if running.done():
                    running.result()
                await asyncio.sleep(POLL_SECONDS)
        return EVENTS / (time.perf_counter() - began)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await feed.close()


async def _reached(pool: Pool) -> dict[int, int]:
    async with pool.acquire() as connection:
        reached = await checkpoints.reached(connection, list(READ_MODELS))
    return {partition: seq for partition, seq in reached.items() if seq}


async def _copy(stack: Stack, pool: Pool) -> float:
    """Events per second as if their rows came by COPY, one table after the other, each in one commit."""
    rows = {name: await _copied_out(pool, name) for name in READ_MODELS}
    async with await create_pool(await stack.database("copy")) as empty:
        began = time.perf_counter()
        for name, content in rows.items():
            await empty.copy_to_table(name, source=io.BytesIO(content), schema_name="read", format="binary")
        return EVENTS / (time.perf_counter() - began)


async def _copied_out(pool: Pool, table: str) -> bytes:
    out = io.BytesIO()
    await pool.copy_from_table(table, output=out, schema_name="read", format="binary")
    return out.getvalue()
