"""Reads the events topic, each event once: what comes again is recognised by its address, `(partition, seq)`.

Whoever keeps a `Position` for each partition, in the same transaction as what they make of the events, gets each event exactly once whatever is
killed. The offset in it is a hint that saves time: a topic that was lost is filled again with the same `seq` and other offsets.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

ANSWER_SECONDS: Final = 20.0
SILENCE_SECONDS: Final = 60.0
"""For a topic to show its end: longer than a transaction that nobody ends may hold it up."""


class Problem(Exception):
    """One line for a person: what is wrong, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last event that was dealt with; `seq` 0 before the first. The event's id tells whether the log is still the same."""

    seq: int = 0
    event_id: str = ""
    offset: int = OFFSET_BEGINNING


@dataclass(frozen=True, slots=True)
class Event:
    """`data` is the JSON of the event; the other fields are those of the message's headers, in full."""

    partition: int
    seq: int
    offset: int
    id: str
    type: str
    time: str
    stream: str
    version: int
    user_id: str
    actor: str
    correlation_id: str
    causation_id: str | None
    request_id: str | None
    traceparent: str | None
    data: str

    @property
    def position(self) -> Position:
        return Position(self.seq, self.id, self.offset)


class EventReader:
    """All partitions of the topic from these positions on. Methods raise Problem."""

    def __init__(self, bootstrap: str, topic: str, positions: Mapping[int, Position]) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "stenolog-example",  # Asked for, and never used: positions are kept by who reads.
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",  # Where an offset does not exist (any more).
                "enable.partition.eof": True,
                "logger": None,
                "log_level": 2,
            }
        )
        partitions = self._partitions(bootstrap)
        if strangers := sorted(positions.keys() - set(partitions)):
            raise Problem(
                f"{topic} has no partition {strangers[0]}, of which events were read: is this the right Kafka?"
            )
        self._positions = {each: positions.get(each, Position()) for each in partitions}
        self._seen = dict.fromkeys(partitions, 0)
        self._from_start = {each for each, position in self._positions.items() if not position.seq}
        self._ended: set[int] = set()
        self._heard_at = time.monotonic()
        self.unreadable = 0
        """Messages that are no events: somebody else's."""
        self._consumer.assign(
            [TopicPartition(topic, each, position.offset) for each, position in self._positions.items()]
        )

    def close(self) -> None:
        self._consumer.close()

    @property
    def is_at_end(self) -> bool:
        return self._ended == self._positions.keys()

    def read(self, events_max: int, timeout_seconds: float) -> list[Event]:
        """The next events, those of each partition in order."""
        try:
            messages = self._consumer.consume(events_max, timeout_seconds)
        except KafkaException as problem:
            raise Problem(f"Kafka: {problem.args[0].str()}") from problem
        rewound: set[int] = set()
        return [event for each in messages if (event := self._event(each, rewound)) is not None]

    def require_whole(self) -> None:
        """At the end: a topic that holds less than was read before is not filled again yet, or is another one."""
        if not self.is_at_end and time.monotonic() - self._heard_at > SILENCE_SECONDS:
            raise Problem(
                f"{self._topic} shows no end for {SILENCE_SECONDS:.0f} s: is Kafka up, is a transaction open?"
            )
        for partition, position in self._positions.items():
            if partition in self._ended and (seen := self._seen[partition]) < position.seq:
                raise Problem(
                    f"partition {partition} of {self._topic} ends at event {seen}, and event {position.seq} was read before: if the topic was made "
                    "again, wait until the relay has filled it; if this is another log, begin with a new file or folder"
                )

    def _event(self, message: Message, rewound: set[int]) -> Event | None:
        partition = message.partition() or 0
        self._heard_at = time.monotonic()
        if partition in rewound:
            return None
        if (error := message.error()) is not None:
            self._note(partition, error)
            return None
        self._ended.discard(partition)
        try:
            event = event_of(message)
        except (KeyError, ValueError, TypeError, AttributeError):
            self.unreadable += 1
            return None
        return event if self._is_next(event, rewound) else None

    def _note(self, partition: int, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._ended.add(partition)
        elif error.fatal() or not error.retriable():
            raise Problem(f"Kafka: {error.str()}")

    def _is_next(self, event: Event, rewound: set[int]) -> bool:
        position = self._positions[event.partition]
        self._seen[event.partition] = event.seq
        if event.seq == position.seq and event.id != position.event_id:
            raise Problem(
                f"event {event.partition}:{event.seq} is another than the one that was read before: the topic is of another log, or the "
                "log lost events in a failover; begin with a new file or folder"
            )
        if event.seq > position.seq + 1:
            self._rewind(event, position, rewound)
            return False
        if event.seq <= position.seq:
            return False
        self._positions[event.partition] = event.position
        return True

    def _rewind(self, event: Event, position: Position, rewound: set[int]) -> None:
        """The offset was that of an earlier topic: the event that follows lies elsewhere, if it is there."""
        if event.partition in self._from_start:
            raise Problem(
                f"events {event.partition}:{position.seq + 1} to {event.partition}:{event.seq - 1} are not in {self._topic} any more: its "
                "retention removed them, or part of it is lost; have the topic filled anew from the log, or begin with a new file or folder"
            )
        self._from_start.add(event.partition)
        rewound.add(event.partition)
        self._consumer.seek(TopicPartition(self._topic, event.partition, OFFSET_BEGINNING))

    def _partitions(self, bootstrap: str) -> list[int]:
        try:
            found = self._consumer.list_topics(self._topic, ANSWER_SECONDS).topics[self._topic]
        except KafkaException as problem:
            raise Problem(f"no Kafka answers at {bootstrap}: {problem.args[0].str()}") from problem
        if found.error is not None or not found.partitions:
            raise Problem(
                f"Kafka at {bootstrap} has no topic {self._topic}: give the right one with --topic, or run `stenolog migrate`"
            )
        return sorted(found.partitions)


def event_of(message: Any) -> Event:
    """Raises KeyError, ValueError, TypeError or AttributeError for what is no event."""
    headers = {name: value.decode() for name, value in message.headers() or ()}
    key, correlation_id, actor = message.key().decode(), headers["correlation_id"], headers["actor"]
    return Event(
        partition=message.partition(),
        seq=int(headers["seq"]),
        offset=message.offset(),
        id=headers["ce_id"],
        type=headers["ce_type"],
        time=headers["ce_time"],
        stream=headers["ce_subject"],
        version=int(headers["version"]),
        user_id=key,
        actor=f"user:{key}" if actor == "user" else actor,
        correlation_id=correlation_id,
        causation_id=headers.get("causation_id"),
        request_id=correlation_id if headers.get("request_id") == "" else headers.get("request_id"),
        traceparent=headers.get("traceparent"),
        data=message.value().decode(),
    )


@contextmanager
def complaining() -> Iterator[None]:
    """Ends the program with one line for what a person has to set right, and in silence at Ctrl-C."""
    try:
        yield
    except Problem as problem:
        sys.exit(f"{sys.argv[0]}: {problem}")
    except KeyboardInterrupt:
        sys.exit(0)
