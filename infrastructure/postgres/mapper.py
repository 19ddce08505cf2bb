"""Events to and from the stored events of the `eventsourcing` package, by a closed registry of topics."""

from functools import cache
from typing import Final

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from msgspec import Struct

from domain.events import Event
from schemas.events import EventType, decode, encode, type_of
from schemas.sealing import NO_KEYS, Keys, PersonKey


class StreamEvent(Struct, frozen=True):
    """An event and its place: `originator_id` is the stream, `originator_version` counts from 1."""

    originator_id: str
    originator_version: int
    event: Event


class EventMapper(Mapper[str]):
    """Unlike its parent never imports what a topic names: an unknown one raises UnknownEventType.

    Events that say something personal are written with `key`, and read with `keys`.
    """

    def __init__(self, key: PersonKey | None = None, keys: Keys = NO_KEYS) -> None:
        super().__init__(JSONTranscoder())
        self._key = key
        self._keys = keys

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        assert isinstance(domain_event, StreamEvent)
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=topic_of(type_of(domain_event.event)),
            state=encode(domain_event.event, domain_event.originator_version, self._key),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> StreamEvent:
        kind, version = type_named(stored_event.topic), stored_event.originator_version
        return StreamEvent(
            originator_id=str(stored_event.originator_id),
            originator_version=version,
            event=decode(kind.name, kind.schema_version, stored_event.state, version, self._keys),
        )


@cache
def topic_of(stored_type: EventType) -> str:
    """`QuotaReserved`, and from its second schema version on `QuotaReserved:2`."""
    if stored_type.schema_version == 1:
        return stored_type.name
    return f"{stored_type.name}:{stored_type.schema_version}"


def type_named(topic: str) -> EventType:
    name, _, version = topic.rpartition(":")
    if name and version.isdecimal() and int(version) > 1:
        return EventType(name, int(version))
    return EventType(topic, 1)


MAPPER: Final = EventMapper()
