"""The vocabulary of the event log: addresses, provenance, and what is appended to and read from it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.events import Event


class Address(Struct, frozen=True, order=True):
    """Where an event lies: the same pair in PostgreSQL, in Kafka, in checkpoints and in consistency tokens."""

    partition: int
    seq: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.seq}"


class Provenance(Struct, frozen=True, kw_only=True):
    """Who caused an event and in which conversation; kept beside the event, never inside it."""

    actor: str
    correlation_id: UUID
    causation_id: UUID | None = None
    request_id: str | None = None
    traceparent: str | None = None


class StreamAppend(Struct, frozen=True, kw_only=True):
    """New events for one stream; refused unless the stream is still at `expected_version` (0 = no stream yet).

    `owner_id` is the user everything in the stream belongs to; it alone decides the partition.
    """

    stream_id: str
    owner_id: UUID
    expected_version: int
    events: Sequence[Event]


class Decision(Struct, frozen=True):
    """What one command appends, and who caused it."""

    appends: Sequence[StreamAppend]
    provenance: Provenance


class StreamHead(Struct, frozen=True):
    """Up to where a stream is known: the version of the last event (0 = of none) and its id.

    The id makes it good for more than the version: after a failover that lost commits another event may have that.
    """

    version: int = 0
    event_id: UUID | None = None


class StreamTail(Struct, frozen=True, kw_only=True):
    """The events of a stream that follow the head `after`; `head` is the last of them.

    `after` is the head that was asked for, or the beginning when the stream does not hold that event (any more).
    """

    after: StreamHead
    events: Sequence[Event]
    head: StreamHead


class RecordedEvent(Struct, frozen=True):
    """A stored event, and where: all it takes to fold it. `data` is the event's JSON.

    `version` is its place in its stream (from 1).
    """

    partition: int
    seq: int
    type: str
    schema_version: int
    data: bytes
    version: int

    @property
    def address(self) -> Address:
        return Address(self.partition, self.seq)


class LogRecord(RecordedEvent, frozen=True):
    """One stored event with all that the log holds about it."""

    stream_id: str
    owner_id: UUID
    event_id: UUID
    recorded_at: datetime
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    request_id: str | None
    traceparent: str | None


class VersionConflict(Exception):
    """Another writer appended to the stream first: load it again and decide again."""

    def __init__(self, stream_id: str, expected_version: int) -> None:
        super().__init__(f"{stream_id} is no longer at version {expected_version}")
        self.stream_id = stream_id
        self.expected_version = expected_version
