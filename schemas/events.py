"""The closed registry of stored events: a stable name and schema version for each class, and the codec."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias, get_args
from uuid import UUID

from msgspec import Struct

from domain import api_keys, media_file, quota, transcription, transcription_events, user
from domain.events import Event
from domain.log import RecordedEvent
from schemas.sealing import NO_KEYS, Keys, PersonKey
from schemas.stored_forms import Clear, Sealed, StoredForm, clear, sealed


class EventType(Struct, frozen=True):
    """What a stored event is called; the name is the storage format and never changes."""

    name: str
    schema_version: int


class UnknownEventType(Exception):
    """A stored event this version of Stenolog has no class for: run a newer one."""

    def __init__(self, name: str, schema_version: int) -> None:
        super().__init__(f"unknown event type {name} version {schema_version}: run a newer Stenolog")


FORMS: Final[Mapping[EventType, StoredForm]] = {
    EventType("UserRegistered", 1): clear(user.UserRegistered),
    EventType("UserRegistered", 2): sealed(user.UserRegistered, user.USER, "user_id", 2),
    EventType("UserErasureRequested", 1): clear(user.UserErasureRequested),
    EventType("UserErased", 1): clear(user.UserErased),
    EventType("QuotaGranted", 1): clear(quota.QuotaGranted),
    EventType("QuotaReserved", 1): clear(quota.QuotaReserved),
    EventType("QuotaDebited", 1): clear(quota.QuotaDebited),
    EventType("QuotaReleased", 1): clear(quota.QuotaReleased),
    EventType("FileUploaded", 1): clear(media_file.FileUploaded),
    EventType("FileUploaded", 2): sealed(media_file.FileUploaded, media_file.MEDIA_FILE, "file_id", 2),
    EventType("FileDeleted", 1): clear(media_file.FileDeleted),
    EventType("TranscriptionRequested", 1): clear(transcription_events.TranscriptionRequested),
    EventType("TranscriptionRequested", 2): sealed(
        transcription_events.TranscriptionRequested, transcription.TRANSCRIPTION, "transcription_id", 2
    ),
    EventType("TranscriptionStarted", 1): clear(transcription_events.TranscriptionStarted),
    EventType("TranscriptionStarted", 2): sealed(
        transcription_events.TranscriptionStarted, transcription.TRANSCRIPTION, "transcription_id", 2
    ),
    EventType("TranscriptionAttemptFailed", 1): clear(transcription_events.TranscriptionAttemptFailed),
    EventType("TranscriptionCompleted", 1): clear(transcription_events.TranscriptionCompleted),
    EventType("TranscriptionFailed", 1): clear(transcription_events.TranscriptionFailed),
    EventType("TranscriptionCancelled", 1): clear(transcription_events.TranscriptionCancelled),
    EventType("TranscriptEdited", 1): clear(transcription_events.TranscriptEdited),
    EventType("AlignmentStarted", 1): clear(transcription_events.AlignmentStarted),
    EventType("AlignmentEnded", 1): clear(transcription_events.AlignmentEnded),
    EventType("TranscriptAligned", 1): clear(transcription_events.TranscriptAligned),
    EventType("TranscriptionDeleted", 1): clear(transcription_events.TranscriptionDeleted),
    EventType("ApiKeyCreated", 1): sealed(api_keys.ApiKeyCreated, api_keys.API_KEYS, "user_id", 1),
    EventType("ApiKeyRevoked", 1): clear(api_keys.ApiKeyRevoked),
}
"""Of one event the last is written, and all are read: version 1 of what is sealed today is the same in the clear."""

REGISTRY: Final[Mapping[EventType, type[Event]]] = {kind: form.event for kind, form in FORMS.items()}

_CURRENT: Final[Mapping[type[Event], EventType]] = {form.event: kind for kind, form in FORMS.items()}
_FORM_OF: Final[Mapping[type[Event], StoredForm]] = {form.event: form for form in FORMS.values()}
_BY_NAME: Final = {(kind.name, kind.schema_version): form for kind, form in FORMS.items()}

assert set(_CURRENT) == set(get_args(Event)), "every event has exactly one current type"

IN_THE_CLEAR: Final = frozenset(
    (kind.name, kind.schema_version)
    for kind, form in FORMS.items()
    if isinstance(form, Clear) and isinstance(_FORM_OF[form.event], Sealed)
)
"""Names and versions of stored events whose personal fields are in the clear, and which are sealed today."""


def type_of(event: Event) -> EventType:
    return _CURRENT[type(event)]


def says_personal(event: Event) -> bool:
    """Whether it takes the key of its person to write it."""
    return _FORM_OF[type(event)].says_personal(event)


def encode(event: Event, version: int = 0, key: PersonKey | None = None) -> bytes:
    """The event as JSON. One that says something personal needs its place in the stream and its person's key.

    Raises ValueError without them.
    """
    return _FORM_OF[type(event)].encode(event, version, key)


def encode_again(event: Event, version: int, key: PersonKey | None) -> bytes:
    """As `encode`, of an event that was stored otherwise; without a key, as for who was erased, it says nothing personal."""
    form = _FORM_OF[type(event)]
    return form.encode(event, version, key) if key else form.encode_blank(event)


def decode(name: str, schema_version: int, data: bytes, version: int = 0, keys: Keys = NO_KEYS) -> Event:
    """The event; `version` is its place in the stream, `keys` has those of `owners_of_sealed`.

    Raises UnknownEventType, Unsealable, or msgspec.ValidationError when the data does not fit the type.
    """
    return _form(name, schema_version).decode(data, version, keys)


class StoredRow(NamedTuple):
    """As much of a stored event as says what is in it; `version` is its place in its stream."""

    type: str
    schema_version: int
    data: bytes
    version: int


Stored: TypeAlias = RecordedEvent | StoredRow


def owners_of_sealed(stored: Iterable[Stored]) -> set[UUID]:
    """Whose keys it takes to read these. Raises as `decode`."""
    owners = {_form(each.type, each.schema_version).owner_of_sealed(each.data) for each in stored}
    return {owner_id for owner_id in owners if owner_id is not None}


def opened(stored: Stored, keys: Keys) -> Event:
    """As `decode`."""
    return decode(stored.type, stored.schema_version, stored.data, stored.version, keys)


def _form(name: str, schema_version: int) -> StoredForm:
    form = _BY_NAME.get((name, schema_version))
    if form is None:
        raise UnknownEventType(name, schema_version)
    return form
