"""Stored events as an auditor reads them: the one place that decodes them, and says `(sealed)` of what only a key opens."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from functools import cache
from typing import Any, Final, TypeAlias, get_args, get_type_hints

import msgspec
from msgspec import Struct

from cli.running import printable
from domain.events import Event
from domain.log import LogRecord
from domain.personal import personal_fields
from infrastructure.mendable import Mendable
from schemas.events import FORMS, REGISTRY, EventType, UnknownEventType, decode
from schemas.sealing import BLIND
from schemas.stored_forms import Sealed

SEALED: Final = "(sealed)"

Fields: TypeAlias = Mapping[str, Any]

_SEALED: Final = frozenset(kind for kind, form in FORMS.items() if isinstance(form, Sealed))
_CLASSES: Final = {kind.name: cls for kind, cls in REGISTRY.items()}
_INDENT: Final = " " * 14

SENTENCES: Final[Mapping[str, str]] = {
    "UserRegistered": "registered as {email}",
    "QuotaGranted": "{minutes} minutes granted",
    "QuotaReserved": "{minutes} minutes reserved for transcription {transcription_id}",
    "QuotaDebited": "{minutes} minutes debited for transcription {transcription_id}",
    "QuotaReleased": "{minutes} minutes released of transcription {transcription_id}",
    "FileUploaded": "uploaded {filename}: {duration_seconds:g} s of sound in {size_bytes:,} bytes",
    "TranscriptionRequested": "requested for file {job[file_id]}: {job[duration_seconds]:g} s of sound, {minutes} minutes",
    "TranscriptionStarted": "attempt {attempt} given to worker {worker_id}",
    "TranscriptionAttemptFailed": "attempt {attempt} failed: {reason}",
    "TranscriptionCompleted": "attempt {attempt} completed: {result[word_count]} words in {result[language]}, "
    "{result[processing_seconds]:g} s of work",
    "TranscriptionFailed": "failed for good with attempt {attempt}: {reason}",
    "TranscriptionCancelled": "cancelled",
    "TranscriptEdited": "text edited: revision {revision}, {word_count} words",
    "AlignmentStarted": "typed words of revision {revision} given to worker {worker_id} to find in the sound",
    "AlignmentEnded": "no typed word of revision {revision} was found in the sound",
    "TranscriptAligned": "{aligned_count} typed words found in the sound: revision {revision}",
    "TranscriptionDeleted": "deleted",
    "FileDeleted": "deleted",
    "ApiKeyCreated": "API key {prefix}… created, named {name}",
    "ApiKeyRevoked": "API key {key_id} revoked",
    "UserErasureRequested": "asked to be erased",
    "UserErased": "erased: key, objects, credentials and rows are gone",
}
"""What each type of event says; one that is not here, or does not fit, is shown as it is stored."""


class UnreadableEvent(Mendable):
    """Nothing that is worked out of it can be trusted, so that the command ends."""

    def __init__(self, record: LogRecord, why: object) -> None:
        super().__init__(f"event {record.address} cannot be read: {why}")


def event_of(record: LogRecord) -> Event:
    """Raises UnreadableEvent."""
    try:
        return decode(record.type, record.schema_version, record.data, record.version, BLIND)
    except UnknownEventType as problem:
        raise UnreadableEvent(record, problem) from problem
    except msgspec.DecodeError as problem:
        why = f"{problem}; `stenolog events verify` tells whether it is what was written"
        raise UnreadableEvent(record, why) from problem


def fields_of(record: LogRecord) -> Fields | None:
    """What stands in it, with SEALED in the place of what is sealed. None for what is no JSON object."""
    fields = _json_of(record)
    if fields is None:
        return None
    return without_sealed(fields, sealed_names(record)) if is_sealed(record) else fields


def json_line_of(record: LogRecord) -> bytes | None:
    """The stored bytes, where they are a JSON object on one line, which all of ours are."""
    return record.data if b"\n" not in record.data and _json_of(record) is not None else None


def _json_of(record: LogRecord) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(record.data, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def is_sealed(record: LogRecord) -> bool:
    """Whether it may hold what only its person's key opens."""
    return EventType(record.type, record.schema_version) in _SEALED


def sealed_names(record: LogRecord) -> frozenset[str]:
    cls = _CLASSES.get(record.type)
    return personal_names(cls) if cls else frozenset()


@cache
def personal_names(struct: type[Struct]) -> frozenset[str]:
    """Of the fields that are marked personal in it and in the structs that it holds."""
    kinds = [kind for hint in get_type_hints(struct).values() for kind in (hint, *get_args(hint))]
    held = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Struct)]
    return personal_fields(struct).union(*map(personal_names, held))


def without_sealed(fields: Fields, names: frozenset[str], *, always: bool = False) -> Fields:
    """The same, with SEALED for what has one of these names and says something, or `always`."""
    told: dict[str, Any] = {}
    for name, value in fields.items():
        if name in names and (value or always):
            told[name] = SEALED
        elif isinstance(value, dict):
            told[name] = without_sealed(value, names, always=always)
        else:
            told[name] = value
    return told


def sentence_of(record: LogRecord) -> str:
    """What happened, on one line that does nothing to a terminal."""
    fields = fields_of(record)
    if fields is not None and record.type in SENTENCES:
        try:
            return printable(SENTENCES[record.type].format_map(fields))
        except (KeyError, TypeError, ValueError, IndexError):
            """Not what such an event is; shown as it is stored."""
    content = record.data if fields is None else msgspec.json.encode(fields)
    return printable(f"{record.type}.v{record.schema_version}: {content.decode(errors='replace')}")


class Timeline:
    """Records as lines to read, under the day on which they were recorded, in UTC."""

    def __init__(self) -> None:
        self._day = ""

    def tell(self, records: Iterable[LogRecord]) -> Iterator[str]:
        for record in records:
            day = record.recorded_at.astimezone(UTC).strftime("%Y-%m-%d")
            if day != self._day:
                self._day = day
                yield f"{day} (UTC)"
            yield as_text(record)


def as_text(record: LogRecord) -> str:
    """What happened and when, then where it is stored, then who caused it."""
    moment = record.recorded_at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]
    causes = {"correlation": record.correlation_id, "caused by event": record.causation_id}
    caused = "".join(f", {name} {value}" for name, value in causes.items() if value is not None)
    return "\n".join(
        [
            f"{moment}  {sentence_of(record)}",
            printable(
                f"{_INDENT}{record.address}  {record.type}  {record.stream_id} version {record.version}"
            ),
            printable(f"{_INDENT}by {record.actor}{caused}"),
        ]
    )


def as_json_line(record: LogRecord) -> str:
    """Every field of the record; `data` is the event itself as it is stored, or a string where that is no JSON."""
    content = json_line_of(record) or msgspec.json.encode(record.data.decode(errors="backslashreplace"))
    fields = msgspec.structs.asdict(record) | {"data": msgspec.Raw(content)}
    return msgspec.json.encode(fields).decode()
