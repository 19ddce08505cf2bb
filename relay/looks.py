"""Looks at where partitions stand in Kafka, of which one may take long and keeps no other waiting."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from types import TracebackType

from domain.ports import EventLog
from infrastructure.kafka.tail import Tails
from relay.kafka_state import KafkaPartition, require_same_story
from relay.place import Place
from schemas.topics import Topics

logger = logging.getLogger(__name__)


class Looks:
    def __init__(self, log: EventLog, topics: Topics, tails: Tails, settle_seconds: float) -> None:
        self._log = log
        self._topics = topics
        self._tails = tails
        self._settle_seconds = settle_seconds
        self._tasks: dict[Place, asyncio.Task[None]] = {}

    async def __aenter__(self) -> "Looks":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def begin(self, places: Collection[Place]) -> None:
        for place in places:
            if place not in self._tasks:
                self._tasks[place] = asyncio.create_task(self._look(place))

    @property
    def are_pending(self) -> bool:
        return any(not task.done() for task in self._tasks.values())

    async def ended(self, patience_seconds: float) -> Sequence[tuple[Place, Exception | None]]:
        """Those that are over, and what went wrong; waits for all of them for so long."""
        if not self._tasks:
            return []
        await asyncio.wait(self._tasks.values(), timeout=patience_seconds)
        over = [place for place, task in self._tasks.items() if task.done()]
        return [(place, _problem_of(self._tasks.pop(place))) for place in over]

    async def _look(self, place: Place) -> None:
        there = KafkaPartition(self._tails, self._topics, place.partition, self._settle_seconds)
        state = await there.state()
        await require_same_story(self._log, place.partition, state)
        if state.reached > state.resume_after:
            logger.warning(
                "Kafka had events of partition %d up to %d and has them up to %d: sending them again",
                place.partition,
                state.reached,
                state.resume_after,
            )
        logger.info("relay of partition %d goes on after event %d", place.partition, state.resume_after)
        place.resume(state)


def _problem_of(task: "asyncio.Task[None]") -> Exception | None:
    if task.cancelled():  # aiokafka cancels requests of its own, and who waits for them.
        return TimeoutError("a look at Kafka was broken off")
    problem = task.exception()
    if problem is None or isinstance(problem, Exception):
        return problem
    raise problem
