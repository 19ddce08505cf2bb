"""The closed registry of stored events: a stable name and schema version for each class, and the codec."""

from collections.abc import Mapping
from typing import Final, get_args

import msgspec
from msgspec import Struct

from domain import media_file, quota, transcription_events, user
from domain.events import Event


class EventType(Struct, frozen=True):
    """What a stored event is called; the name is the storage format and never changes."""

    name: str
    schema_version: int


class UnknownEventType(Exception):
    """A stored event this version of Stenolog has no class for: run a newer one."""

    def __init__(self, name: str, schema_version: int) -> None:
        super().__init__(f"unknown event type {name} version {schema_version}: run a newer Stenolog")


REGISTRY: Final[Mapping[EventType, type[Event]]] = {
    EventType("UserRegistered", 1): user.UserRegistered,
    EventType("QuotaGranted", 1): quota.QuotaGranted,
    EventType("QuotaReserved", 1): quota.QuotaReserved,
    EventType("QuotaDebited", 1): quota.QuotaDebited,
    EventType("QuotaReleased", 1): quota.QuotaReleased,
    EventType("FileUploaded", 1): media_file.FileUploaded,
    EventType("TranscriptionRequested", 1): transcription_events.TranscriptionRequested,
    EventType("TranscriptionStarted", 1): transcription_events.TranscriptionStarted,
    EventType("TranscriptionAttemptFailed", 1): transcription_events.TranscriptionAttemptFailed,
    EventType("TranscriptionCompleted", 1): transcription_events.TranscriptionCompleted,
    EventType("TranscriptionFailed", 1): transcription_events.TranscriptionFailed,
    EventType("TranscriptionCancelled", 1): transcription_events.TranscriptionCancelled,
    EventType("TranscriptEdited", 1): transcription_events.TranscriptEdited,
}

_CURRENT: Final[Mapping[type[Event], EventType]] = {cls: name for name, cls in REGISTRY.items()}
_DECODERS: Final = {
    (name.name, name.schema_version): msgspec.json.Decoder(cls) for name, cls in REGISTRY.items()
}
_ENCODER: Final = msgspec.json.Encoder()

assert set(_CURRENT) == set(get_args(Event)), "every event has exactly one current type"


def type_of(event: Event) -> EventType:
    return _CURRENT[type(event)]


def encode(event: Event) -> bytes:
    """The event as JSON."""
    return _ENCODER.encode(event)


def decode(name: str, schema_version: int, data: bytes) -> Event:
    """Raises UnknownEventType, or msgspec.ValidationError when the data does not fit the type."""
    decoder = _DECODERS.get((name, schema_version))
    if decoder is None:
        raise UnknownEventType(name, schema_version)
    return decoder.decode(data)
