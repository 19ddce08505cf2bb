"""Catching up from Kafka to the read models by one projector process; the limits are the same rows out of memory."""

import asyncio
import io
import os
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from benchmarks.history import chunks, history
from benchmarks.measure import Measurement, Target, report
from benchmarks.stack import PARTITIONS, Stack, running_stack
from domain.events import Event
from domain.log import LogRecord
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.producer import TransactionalProducer
from infrastructure.postgres.pool import Pool, create_pool
from projections import checkpoints
from projections.batches import Batch
from projections.models import READ_MODELS
from projections.projection import Projection, as_json
from projections.runner import PROJECTED_CHANNEL, Runner
from relay.messages import messages_of
from schemas.events import opened
from schemas.topics import Topics
from tests.keys import EVERYBODYS, READING

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "300000"))
DEADLINE_SECONDS: Final = 600.0
POLL_SECONDS: Final = 0.05
CHUNK: Final = 16_000

SETS: Final = "sets"
COPY: Final = "COPY"
CAPTION: Final = (
    "ours: events from Kafka folded into four read models, with checkpoints; "
    "sets: the rows that each of these batches left, encoded before and upserted by one statement a batch, the limit; "
    "COPY: the rows that result, copied into the same tables while they are empty"
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
            ours, batches = await _ours(stack, topics, pool, heads)
            copied = await _copy(stack, pool)
        sets = await _sets(stack, batches)
    measured = Measurement(
        situation=f"{EVENTS:,} events",
        unit="events/s",
        ours=ours,
        peers={SETS: sets, COPY: copied},
        targets=(Target(peer=SETS, ratio=0.4),),
        to_reach=60_000,
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


class NotingRunner(Runner):
    """Remembers what it folded together, in a list that it is given."""

    batches: list[Batch]

    async def _commit(self, batch: Batch) -> None:
        await super()._commit(batch)
        self.batches.append(batch)


async def _ours(
    stack: Stack, topics: Topics, pool: Pool, heads: dict[int, int]
) -> tuple[float, Sequence[Batch]]:
    feed = KafkaEventFeed(stack.bootstrap, topics)
    runner = NotingRunner(
        pool, feed, EveryPartition(), list(READ_MODELS.values()), READING, channel=PROJECTED_CHANNEL
    )
    runner.batches = []
    began = time.perf_counter()
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await _reached(pool) != heads:
                if running.done():
                    running.result()
                await asyncio.sleep(POLL_SECONDS)
        return EVENTS / (time.perf_counter() - began), runner.batches
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await feed.close()


async def _reached(pool: Pool) -> dict[int, int]:
    async with pool.acquire() as connection:
        reached = await checkpoints.reached(connection, list(READ_MODELS))
    return {partition: seq for partition, seq in reached.items() if seq}


async def _sets(stack: Stack, batches: Sequence[Batch]) -> float:
    """Events per second as if somebody knew what each batch makes of the rows, and only had to write them."""
    statement = _upsert()
    rows = list(_encoded(batches))
    async with await create_pool(await stack.database("sets")) as pool, pool.acquire() as connection:
        await connection.execute("set synchronous_commit to off")
        began = time.perf_counter()
        for batch in rows:
            await connection.execute(statement, *batch)
        return EVENTS / (time.perf_counter() - began)


def _upsert() -> str:
    """What stores the rows of every read model, as one statement."""
    stores = [
        f"{name} as ({projection.queries['store'].rstrip(';').replace('$1', f'${number}')})"
        for number, (name, projection) in enumerate(READ_MODELS.items(), start=1)
    ]
    return f"with {', '.join(stores)} select"


def _encoded(batches: Sequence[Batch]) -> Iterator[Sequence[str]]:
    """By batch, and there by read model, the rows it changed."""
    tables: dict[str, dict[UUID, Any]] = {name: {} for name in READ_MODELS}
    for batch in batches:
        records = [record for part in batch.values() for record in part.records]
        events = [opened(record, EVERYBODYS) for record in records]
        yield [as_json(_changed(tables[name], READ_MODELS[name], events)) for name in READ_MODELS]


def _changed(table: dict[UUID, Any], projection: Projection[Any], events: Sequence[Event]) -> Sequence[Any]:
    changed: dict[UUID, Any] = {}
    for event in events:
        if key_of := projection.keys.get(type(event)):
            key = key_of(event)
            changed[key] = projection.project(changed.get(key, table.get(key)), event)
    table |= changed
    return list(changed.values())


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
