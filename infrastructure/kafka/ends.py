"""Where partitions end, asked now and then, so that nobody waits for the answer."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

ASK_SECONDS: Final = 10.0

Ends = Mapping[TopicPartition, int]
"""The offset that the next message of each partition will get."""


class EndsNowAndThen:
    """Of what one consumer is assigned.

    The broker answers a connection's requests one after the other, this one when it has answered the fetch before it,
    which may take seconds: so the question is asked at one turn, and its answer is there at a later one.
    """

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._ask_at = 0.0
        self._asking: asyncio.Task[Ends] | None = None

    def begin(self) -> None:
        """The interval begins now, and what was asked before is forgotten."""
        self.stop()
        self._ask_at = asyncio.get_running_loop().time() + self._interval_seconds

    def stop(self) -> None:
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            asking.add_done_callback(lambda task: task.cancelled() or task.exception())

    def news(self, consumer: AIOKafkaConsumer) -> Ends | None:
        """The answer, once it has come. Raises KafkaError or TimeoutError."""
        now = asyncio.get_running_loop().time()
        if self._asking is None and now >= self._ask_at:
            self._ask_at = now + self._interval_seconds
            self._asking = asyncio.create_task(_ends_of(consumer), name="asking where partitions end")
        if self._asking is None or not self._asking.done():
            return None
        asked, self._asking = self._asking, None
        if asked.cancelled():  # aiokafka cancels requests of its own, and who waits for them.
            raise TimeoutError("asking where partitions end was broken off")
        return asked.result()


async def _ends_of(consumer: AIOKafkaConsumer) -> Ends:
    async with asyncio.timeout(ASK_SECONDS):
        ends: Ends = await consumer.end_offsets(consumer.assignment())
    return ends
