"""What Kafka holds of one partition of the log, and where the relay goes on from there."""

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec
from aiokafka.structs import TopicPartition
from msgspec import Struct

from domain.ports import EventLog
from infrastructure.kafka.consumer import ConsumedMessage
from infrastructure.kafka.tail import LOOK_SECONDS, Last, Tails
from schemas.checkpoints import decode_checkpoint
from schemas.topics import Topics, UnreadableMessage, place_of

LOOK_AGAIN_SECONDS: Final = 0.1


class Refused(Exception):
    """Log and Kafka contradict each other; relaying on would make it worse, so somebody has to decide."""


class LogBehindKafka(Refused):
    def __init__(self, partition: int, reached: int, head: int) -> None:
        super().__init__(
            f"partition {partition}: Kafka has events up to {reached} and the log ends at {head}. Was the "
            "database restored from a backup? Restore what is missing, or delete the events and checkpoints "
            "topics and restart the relay, which fills them from the log"
        )


class LogDiverged(Refused):
    def __init__(self, partition: int, seq: int) -> None:
        super().__init__(
            f"partition {partition}: event {seq} in Kafka is not event {seq} of the log. Is this the right "
            "Kafka for this database, or did the database lose events in a failover? If it is, delete the events "
            "and checkpoints topics and restart the relay, which fills them from the log; after a failover, "
            "rebuild the read models as well (`stenolog rebuild all`)"
        )


class UnreadableEvents(Refused):
    def __init__(self, partition: int) -> None:
        super().__init__(
            f"partition {partition}: the last messages of the events topic cannot be read as events, and no checkpoint says "
            "how far they go. Is another version of Stenolog relaying, or somebody else writing there? If not, "
            "delete the events and checkpoints topics and restart the relay, which fills them from the log"
        )


class KafkaWentBack(Exception):
    """Kafka no longer has what it had acknowledged."""


class HangingTransaction(Exception):
    """A transaction of an earlier relay is open for ever: Kafka counts it as over, and has lost its end."""


class Sent(Struct, frozen=True):
    """An event as it lies in the events topic."""

    seq: int
    event_id: UUID
    offset: int


class KafkaState(Struct, frozen=True, kw_only=True):
    """`events_aged_out` is true when retention has removed events from the front of the partition.

    After `last` there may be messages that cannot be read: events with headers of another version, damaged ones,
    somebody else's. Whether `checkpoint` is the last of all is then what counts.
    """

    checkpoint: int | None = None
    checkpoint_is_last: bool = True
    last: Sent | None = None
    last_is_last: bool = True
    events_aged_out: bool = False

    @property
    def resume_after(self) -> int:
        """The `seq` that is relayed already.

        The last event in Kafka decides, whatever the checkpoint says: that is some seconds behind, or where it is ahead
        Kafka has lost the end of the events. Only where retention removed all events, or the last ones cannot be read,
        does the checkpoint know more; where there are none for another reason, all are sent again.
        """
        if not self.last_is_last:
            return self.reached
        if self.last is not None:
            return self.last.seq
        return (self.checkpoint or 0) if self.events_aged_out else 0

    @property
    def reached(self) -> int:
        """The highest `seq` that Kafka knows of in any way."""
        return max(self.last.seq if self.last else 0, self.checkpoint or 0)

    @property
    def says_how_far(self) -> bool:
        """Whether it is known what was relayed, although the last messages cannot be read: to some seconds."""
        return self.last_is_last or (self.checkpoint is not None and self.checkpoint_is_last)

    @property
    def is_whole(self) -> bool:
        """Whether the checkpoint is not ahead of the events, as it never is when nothing was lost."""
        return (self.checkpoint or 0) <= (self.last.seq if self.last else 0)

    @property
    def last_event_id(self) -> UUID | None:
        """Of the event after which the relay goes on, when it can be read."""
        is_last = self.last is not None and self.last.seq == self.resume_after
        return self.last.event_id if self.last is not None and is_last else None

    @property
    def last_offset(self) -> int:
        return self.last.offset if self.last is not None else -1


class KafkaPartition:
    """One partition's events and checkpoints in Kafka. Methods raise KafkaError or TimeoutError."""

    def __init__(self, tails: Tails, topics: Topics, partition: int, settle_seconds: float) -> None:
        self._tails = tails
        self._settle_seconds = settle_seconds
        self._events = TopicPartition(topics.events, partition)
        self._checkpoints = TopicPartition(topics.checkpoints, partition)

    async def state(self) -> KafkaState:
        """Sound only after earlier relays were fenced: then they can commit nothing any more.

        Where the checkpoint is ahead of the events it looks again for a while: a commit may still be carried out.
        Raises HangingTransaction: nobody's transaction is open there any more, so one that lasts has lost its end.
        """
        try:
            return await self._settled(self._settle_seconds)
        except TimeoutError:
            for partition in (self._events, self._checkpoints):
                if await self._tails.held_up(partition):
                    raise HangingTransaction(str(partition)) from None
        return await self._settled(LOOK_SECONDS)  # A broker that is slow, or damaged.

    async def _settled(self, look_seconds: float) -> KafkaState:
        now = asyncio.get_running_loop().time
        deadline = now() + self._settle_seconds
        while True:
            state = await self._look(look_seconds)
            if state.is_whole or now() >= deadline:
                return state
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _look(self, look_seconds: float) -> KafkaState:
        checkpoint = await self._tails.last(self._checkpoints, _checkpointed_seq, look_seconds)
        last = await self._last_event(look_seconds)
        return KafkaState(
            checkpoint=checkpoint.content,
            checkpoint_is_last=not checkpoint.unreadable_follows,
            last=last.content,
            last_is_last=not last.unreadable_follows,
            events_aged_out=(await self._tails.begins(self._events))[self._events] > 0,
        )

    async def _last_event(self, look_seconds: float) -> Last[Sent]:
        """A broker whose files were cut may answer everything but this, without an error: silence counts, too."""
        try:
            return await self._tails.last(self._events, _sent, look_seconds)
        except TimeoutError:
            if look_seconds < LOOK_SECONDS or await self._tails.held_up(self._events):
                raise
        await self._tails.ends(self._events)  # It does answer.
        return Last(unreadable_follows=True)


async def require_ends_after(tails: Tails, topics: Topics, offsets: Mapping[int, int]) -> None:
    """Raises KafkaWentBack when the events of a partition end before what was sent there."""
    if not offsets:
        return
    ends = await tails.ends(*(TopicPartition(topics.events, partition) for partition in offsets))
    for where, end in ends.items():
        if end <= (offset := offsets[where.partition]):
            raise KafkaWentBack(f"{where} ended after {offset} and ends at {end} now")


async def require_same_story(log: EventLog, partition: int, state: KafkaState) -> None:
    """Raises LogBehindKafka, LogDiverged or UnreadableEvents."""
    if not state.says_how_far:
        raise UnreadableEvents(partition)
    head = await log.head(partition)
    if state.reached > head:
        raise LogBehindKafka(partition, state.reached, head)
    if state.last is not None:
        [stored] = await log.read(partition, state.last.seq - 1, 1)
        if stored.event_id != state.last.event_id:
            raise LogDiverged(partition, state.last.seq)


def _checkpointed_seq(message: ConsumedMessage) -> int | None:
    try:
        return decode_checkpoint(message.value or b"").seq
    except msgspec.DecodeError:
        return None


def _sent(message: ConsumedMessage) -> Sent | None:
    try:
        seq, event_id = place_of(message.headers)
    except UnreadableMessage:
        return None
    return Sent(seq, event_id, message.offset) if seq > 0 and message.value is not None else None
