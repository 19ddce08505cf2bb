"""From a full log in PostgreSQL to Kafka by one relay process; the limit is producing the same bytes without a log."""

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer

from benchmarks.history import chunks, history, write_log
from benchmarks.measure import Measurement, Target, report
from benchmarks.stack import PARTITIONS, Stack, running_stack
from domain.log import LogRecord
from infrastructure.kafka.batches import Message
from infrastructure.kafka.producer import BATCH_BYTES
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import create_pool
from relay.lanes import lanes_of
from relay.messages import messages_of
from relay.relay import LaneRelay
from schemas.topics import Topics

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "300000"))
WARM_UP: Final = 96_000
"""Sent before anything is measured, so that Kafka has compiled itself for whoever comes first."""
DEADLINE_SECONDS: Final = 600.0
POLL_SECONDS: Final = 0.005
SAMPLE: Final = 48_000
"""Events the limit sends again and again: all of them as messages would not fit into a small machine's memory."""
ROUND: Final = 16_000

LIMIT: Final = "produce"
CAPTION: Final = (
    "ours: reading the log, one transaction for up to 2,000 events of each partition of a lane, checkpoints, from the first transaction "
    "on; produce: the same bytes from memory by an idempotent producer without transactions, the limit"
)


async def main() -> None:
    async with running_stack() as stack:
        await _produce(stack, "warm-up", WARM_UP)
        ours = await _ours(stack)
        limit = await _produce(stack, "limit", EVENTS)
    measured = Measurement(
        situation=f"{EVENTS:,} events",
        unit="events/s",
        ours=ours,
        peers={LIMIT: limit},
        targets=(Target(peer=LIMIT, ratio=0.6),),
    )
    report("relay", CAPTION, [measured])


async def _ours(stack: Stack) -> float:
    topics = await stack.topics("ours")
    async with await create_pool(await stack.database("relay")) as pool:
        await write_log(pool, history(EVENTS))
        async with PostgresEventLog(pool, PARTITIONS) as log:
            relays = [LaneRelay(lane, log, stack.bootstrap, topics) for lane in lanes_of(PARTITIONS)]
            running = [asyncio.create_task(relay.run()) for relay in relays]
            try:
                sent_before = await _until_relayed(relays, 1)
                began = time.perf_counter()
                return (await _until_relayed(relays, EVENTS) - sent_before) / (time.perf_counter() - began)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)


async def _until_relayed(relays: Sequence[LaneRelay], at_least: int) -> int:
    """How many they have sent then."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (count := sum(relay.events_relayed for relay in relays)) < at_least:
            await asyncio.sleep(POLL_SECONDS)
        return count


async def _produce(stack: Stack, prefix: str, events: int) -> float:
    topics = await stack.topics(prefix)
    rounds = [_messages(chunk, topics) for chunk in chunks(history(SAMPLE), ROUND)]
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.bootstrap, enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    await producer.start()
    try:
        began = time.perf_counter()
        count = max(1, events // ROUND)
        futures = [
            future
            for messages in itertools.islice(itertools.cycle(rounds), count)
            for future in await _send(producer, messages)
        ]
        await asyncio.gather(*futures)
        return count * ROUND / (time.perf_counter() - began)
    finally:
        await producer.stop()


def _messages(records: Sequence[LogRecord], topics: Topics) -> list[Message]:
    """Without the checkpoint and the copies for workers, which the limit does not send."""
    return [
        next(messages_of([record], topics, record.partition, PARTITIONS))
        for record in sorted(records, key=lambda record: record.partition)
    ]


async def _send(producer: AIOKafkaProducer, messages: Sequence[Message]) -> list[asyncio.Future[object]]:
    """Fills batches as the relay does, since aiokafka's own `send` is slower."""
    futures = []
    for (topic, partition), those in itertools.groupby(messages, key=lambda each: each[:2]):
        batch = producer.create_batch()
        for _, _, key, value, headers in those:
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                futures.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=headers)
        futures.append(await producer.send_batch(batch, topic, partition=partition))
    return futures
