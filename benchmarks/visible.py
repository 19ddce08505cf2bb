"""From a command to the read models that show it, through all processes; the limit is the same steps by hand."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from benchmarks.measure import Measurement, Target, report
from benchmarks.stack import PARTITIONS, Stack, running_stack
from domain.log import Address, Provenance, StreamAppend
from domain.quota import QuotaGranted
from embedded.product import Process
from infrastructure.kafka.batches import Message
from infrastructure.kafka.producer import TransactionalProducer
from infrastructure.postgres.listener import Listener
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.settings import Settings
from projections.runner import PROJECTED_CHANNEL
from schemas.topics import Topics
from tests.keys import MASTER_KEYS_TEXT, keys_on

RATES: Final = (1, 50, 200)
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "12"))
WARM_UP_COMMANDS: Final = 50
COMMANDS_MIN: Final = 20
DEADLINE_SECONDS: Final = 60.0
HEADERS: Final = [(f"header-{number}", b"x" * 32) for number in range(13)]
VALUE: Final = b"x" * 200

LIMIT: Final = "by hand"
CAPTION: Final = (
    "ours: append, relay process, Kafka, projector process, notification; by hand: a durable commit, a Kafka "
    "transaction, a poll and a durable commit, one after the other in one process, the limit"
)

Once = Callable[[], Awaitable[float]]
"""Does it once, and returns how many milliseconds it took."""


async def main() -> None:
    async with running_stack() as stack, _by_hand(stack) as by_hand, _product(stack) as product:
        measured = [each for rate in RATES for each in await _measure(rate, by_hand, product)]
    report("visible", CAPTION, measured)


async def _measure(rate: int, by_hand: Once, product: Once) -> list[Measurement]:
    """One right after the other, so that both meet the same machine."""
    limit = await _latencies(rate, by_hand, at_once=False)
    ours = await _latencies(rate, product, at_once=True)
    return [
        _measurement(f"{rate}/s, {name}", share, most, ours, limit)
        for name, share, most in (("p50", 0.5, 1.5), ("p99", 0.99, 3.0))
    ]


def _measurement(
    situation: str, share: float, at_most: float, ours: list[float], limit: list[float]
) -> Measurement:
    return Measurement(
        situation=situation,
        unit="ms",
        ours=_quantile(ours, share),
        peers={LIMIT: _quantile(limit, share)},
        targets=(Target(peer=LIMIT, ratio=at_most, at_most=True),),
    )


def _quantile(figures: list[float], share: float) -> float:
    return sorted(figures)[min(len(figures) - 1, int(len(figures) * share))]


async def _latencies(rate: int, once: Once, *, at_once: bool) -> list[float]:
    """Starts `rate` commands a second whatever they take, or without `at_once` each after the one before."""
    for _ in range(WARM_UP_COMMANDS):
        await once()
    began = time.perf_counter()
    waiting: list[asyncio.Future[float]] = []
    for number in range(max(COMMANDS_MIN, round(rate * SECONDS))):
        if number >= COMMANDS_MIN and time.perf_counter() > began + SECONDS:
            break  # Slower than the rate, and seen for long enough.
        await asyncio.sleep(began + number / rate - time.perf_counter())
        waiting.append(asyncio.ensure_future(once()))
        if not at_once:
            await waiting[-1]
    return await asyncio.gather(*waiting)


@asynccontextmanager
async def _product(stack: Stack) -> AsyncIterator[Once]:
    """The real processes, and a client of the log that hears when its commands are visible."""
    settings = Settings(
        database_url=await stack.database("visible"),
        kafka_bootstrap=stack.bootstrap,
        topic_prefix="visible",
        master_keys=MASTER_KEYS_TEXT,
        partitions=PARTITIONS,
    )
    await stack.topics(settings.topic_prefix)
    async with AsyncExitStack() as exits:
        pool = await exits.enter_async_context(await create_pool(settings.database_url))
        store = await exits.enter_async_context(PostgresEventStore(pool, PARTITIONS, keys_on(pool)))
        for name in ("relay", "project"):
            process = Process(name, settings, stack.folder / f"{name}.log")
            await process.start()
            exits.push_async_callback(process.stop)
        visible = Visible()
        await exits.enter_async_context(Listener(pool, PROJECTED_CHANNEL, visible.hear, lambda: None))

        async def once() -> float:
            began = time.perf_counter()
            await visible.wait_for(await _append(store))
            return 1000 * (time.perf_counter() - began)

        for _ in range(PARTITIONS * 4):  # Until every partition has its owners.
            await once()
        yield once


class Visible:
    """How far the read models are, by what the projector says."""

    def __init__(self) -> None:
        self._seqs = [0] * PARTITIONS
        self._moved = asyncio.Event()

    def hear(self, payload: str) -> None:
        partition, seq = map(int, payload.split(":"))
        self._seqs[partition] = max(seq, self._seqs[partition])
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait_for(self, address: Address) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self._seqs[address.partition] < address.seq:
                await self._moved.wait()


async def _append(store: PostgresEventStore) -> Address:
    user_id = uuid4()
    event = QuotaGranted(user_id=user_id, grant_id=user_id, minutes=60, granted_at=datetime.now(UTC))
    stream = StreamAppend(
        stream_id=f"quota-{user_id}", owner_id=user_id, expected_version=0, events=[event]
    )
    return await store.append([stream], Provenance(actor="benchmark", correlation_id=user_id))


@asynccontextmanager
async def _by_hand(stack: Stack) -> AsyncIterator[Once]:
    topics = await stack.topics("hand")
    async with (
        await create_pool(await stack.database("hand")) as pool,
        TransactionalProducer(stack.bootstrap, "hand") as producer,
        _following(stack.bootstrap, topics) as consumer,
    ):
        await pool.execute("create table hand (seq bigint primary key, payload bytea)")
        numbers = itertools.count()

        async def once() -> float:
            began = time.perf_counter()
            await _commit(pool, next(numbers))
            await producer.transact([[Message(topics.events, 0, b"key", VALUE, HEADERS)]], lambda _: None)
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not await consumer.getmany(timeout_ms=1000):
                    pass
            await _commit(pool, next(numbers))
            return 1000 * (time.perf_counter() - began)

        yield once


async def _commit(pool: Pool, number: int) -> None:
    await pool.execute("insert into hand values ($1, $2)", number, VALUE)


@asynccontextmanager
async def _following(bootstrap: str, topics: Topics) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topics.events, 0)])
        await consumer.seek_to_beginning()
        yield consumer
    finally:
        await consumer.stop()
