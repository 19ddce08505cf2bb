"""Producers that are as safe as aiokafka lets them be: every send is awaited, every wait ends, a broken one is thrown away."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Literal

import aiokafka.producer.sender
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from infrastructure.kafka.batches import Batch, Batches, Message
from infrastructure.kafka.brokers import Brokers, connection_options
from infrastructure.kafka.clients import end_task, start_client
from infrastructure.kafka.failures import KAFKA_FAILURES, KafkaUnreachable
from infrastructure.waiting import Wait

# After a commit the broker still writes its markers, and refuses the next transaction for about 2 ms.
# aiokafka then waits 20 ms, ten times as long, which made transactions back to back take 28 ms instead of 5.
aiokafka.producer.sender.BACKOFF_OVERRIDE = 0.002

START_SECONDS: Final = 15.0
TRANSACTION_SECONDS: Final = 10.0
TRANSACTION_EXPIRES_MS: Final = 15_000
"""When the broker ends a transaction whose producer is gone; until then read_committed consumers wait."""
REQUEST_MS: Final = 10_000
DISCARD_SECONDS: Final = 1.0
BATCH_BYTES: Final = 512 * 1024
"""Half of what a broker takes at once by default; aiokafka's own 16 KiB mean a round trip for fifty events."""
EARLY_BYTES: Final = 64 * 1024
"""From here on a batch is worth a request of its own."""

SEND_SECONDS: Final = 30.0
TRY_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.2

Connect = Callable[..., AIOKafkaProducer]
Compression = Literal["none", "lz4", "zstd"]


class TransactionalProducer:
    """One transaction at a time, fenced by `transactional_id`. After any exception it is of no more use.

    aiokafka commits a transaction although a batch in it failed, never gives up on a batch, and stays stuck
    after fatal errors. So each future is awaited, each wait has a deadline, and there is no recovery: leave
    the context, and enter that of a new producer, which also ends what the old one left open.
    """

    def __init__(
        self,
        brokers: Brokers,
        transactional_id: str,
        *,
        compression: Compression = "none",
        connect: Connect = AIOKafkaProducer,
        deadline_seconds: float = TRANSACTION_SECONDS,
    ) -> None:
        self._brokers = brokers
        self._compression = compression
        self._transactional_id = transactional_id
        self._connect = connect
        self._deadline_seconds = deadline_seconds
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> "TransactionalProducer":
        """Fences all earlier producers of this id. Raises KafkaError or TimeoutError."""
        producer = self._connect(
            **connection_options(self._brokers),
            transactional_id=self._transactional_id,
            transaction_timeout_ms=TRANSACTION_EXPIRES_MS,
            compression_type=None if self._compression == "none" else self._compression,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=REQUEST_MS,
        )
        await _start(producer, self._brokers)
        self._producer = producer
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._producer is not None
        await _discard(self._producer)

    async def transact(
        self, groups: Iterable[Iterable[Message]], accept: Callable[[Sequence[RecordMetadata]], None]
    ) -> Sequence[RecordMetadata]:
        """Sends all messages in one transaction, and returns where each batch of them lies.

        What a group has filled is on its way while the next one is made.
        `accept` is asked before the commit, and raises when the messages must not become visible there.
        Raises ProducerFenced when another producer took the id over, another KafkaError, or TimeoutError.
        """
        assert self._producer is not None
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await self._producer.begin_transaction()
                sent = await self._send(groups)
                accept(sent)
                await self._producer.commit_transaction()
                return sent
        except asyncio.CancelledError:
            await self._abort()
            raise

    async def end_hanging(self, messages: Iterable[Message]) -> None:
        """Ends what earlier producers of this id have open in the partitions of these messages.

        The broker itself ends it when this producer starts, except for what it counts as over: Apache Kafka
        can lose the markers of a commit when it is stopped meanwhile, and who reads what is committed then
        waits for ever. A marker ends all that the id has open in a partition, so these messages are sent and
        aborted: nobody sees either. Raises KafkaError or TimeoutError.
        """
        assert self._producer is not None
        async with asyncio.timeout(self._deadline_seconds):
            await self._producer.begin_transaction()
            await self._send([messages])
            await self._producer.abort_transaction()

    async def _send(self, groups: Iterable[Iterable[Message]]) -> Sequence[RecordMetadata]:
        """Batches are filled here, not by `send`: one future for hundreds of messages instead of one each."""
        assert self._producer is not None
        batches = Batches(self._producer.create_batch)
        futures: list[Awaitable[RecordMetadata]] = []
        for group in groups:
            batches.fill(group)
            futures += [await self._begin(batch) for batch in batches.take(EARLY_BYTES)]
            await asyncio.sleep(0)
        futures += [await self._begin(batch) for batch in batches.take()]
        return await asyncio.gather(*futures)

    async def _begin(self, batch: Batch) -> Awaitable[RecordMetadata]:
        assert self._producer is not None
        topic, partition, content = batch
        future: asyncio.Future[RecordMetadata] = await self._producer.send_batch(
            content, topic, partition=partition
        )
        future.add_done_callback(_mark_retrieved)
        return future

    async def _abort(self) -> None:
        """Cancelled on the way: consumers need not wait until the transaction expires."""
        assert self._producer is not None
        # AssertionError is how aiokafka says that there is nothing to abort any more.
        with contextlib.suppress(KafkaError, TimeoutError, AssertionError):
            async with asyncio.timeout(DISCARD_SECONDS):
                await self._producer.abort_transaction()


class IdempotentProducer:
    """Sends messages one by one, each until it arrived; one whose answer was lost may arrive twice."""

    def __init__(
        self, brokers: Brokers, *, deadline_seconds: float = SEND_SECONDS, try_seconds: float = TRY_SECONDS
    ) -> None:
        self._brokers = brokers
        self._deadline_seconds = deadline_seconds
        self._try_seconds = try_seconds
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._kafka = Wait(f"Kafka at {brokers}")

    async def send(self, message: Message) -> None:
        """Returns when Kafka has the message. Raises KafkaUnreachable at the deadline."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                while True:
                    if await self._try(message):
                        return
                    await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            await self.close()
            raise KafkaUnreachable(
                f"{message.topic} took nothing for {self._deadline_seconds:.0f} s"
            ) from None

    async def _try(self, message: Message) -> bool:
        topic, partition, key, value, headers = message
        producer = None
        try:
            async with asyncio.timeout(self._try_seconds):
                producer = await self._started()
                await (await producer.send(topic, value, key, partition, headers=headers))
        except KAFKA_FAILURES as problem:
            self._kafka.goes_on(f"sending to {topic}: {problem!r}")
            await self._drop(producer)
            return False
        self._kafka.is_over()
        return True

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **connection_options(self._brokers),
                    enable_idempotence=True,
                    request_timeout_ms=REQUEST_MS,
                )
                await _start(producer, self._brokers)
                self._producer = producer
            return self._producer

    async def _drop(self, producer: AIOKafkaProducer | None) -> None:
        if producer is not None and producer is self._producer:
            self._producer = None
            await _discard(producer)

    async def close(self) -> None:
        await self._drop(self._producer)


async def _start(producer: AIOKafkaProducer, brokers: Brokers) -> None:
    try:
        await start_client(producer.start(), START_SECONDS, brokers)
    except BaseException:
        await _discard(producer)
        raise


async def _discard(producer: AIOKafkaProducer) -> None:
    """Ends a producer in any state, in bounded time.

    Its own stop() waits for every batch to arrive, and no batch of an idempotent producer ever expires.
    Everything of ours that should arrive was awaited.
    """
    producer._closed = True  # noqa: SLF001 - or it would complain that nobody called stop()
    if (sending := producer._sender.sender_task) is not None:  # noqa: SLF001
        # The first cancel waits for requests that are on their way, the second does not.
        for _ in range(2):
            sending.cancel()
            await asyncio.wait([sending], timeout=DISCARD_SECONDS)
    for future in filter(asyncio.Future.done, _waiters_of(producer)):
        _mark_retrieved(future)
    await end_task(producer.client.close(), DISCARD_SECONDS)


def _waiters_of(producer: AIOKafkaProducer) -> "Iterator[asyncio.Future[Any]]":
    """What aiokafka fails with a fatal error, although nobody waits for it."""
    line = producer._message_accumulator  # noqa: SLF001
    for batch in itertools.chain(*line._batches.values(), line._pending_batches):  # noqa: SLF001
        yield batch._drain_waiter  # noqa: SLF001
    if (transactions := producer._txn_manager) and (waiter := transactions._transaction_waiter):  # noqa: SLF001
        yield waiter


def _mark_retrieved(future: "asyncio.Future[Any]") -> None:
    """When one send fails nobody looks at the others, and asyncio would complain about that."""
    if not future.cancelled():
        future.exception()
