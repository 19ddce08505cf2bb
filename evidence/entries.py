"""What is hashed of a stored event: all its columns, as one line of canonical JSON (RFC 8785)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from evidence.tiles import ENTRY_BYTES_MAX
from infrastructure.mendable import Mendable


class EntryTooLarge(Mendable):
    """Nothing of ours writes so much beside the event itself."""

    def __init__(self, partition: int, seq: int, size_bytes: int) -> None:
        super().__init__(
            f"event {partition}:{seq} has {size_bytes} bytes of metadata, more than the {ENTRY_BYTES_MAX} that can "
            "be sealed: somebody wrote into the table of events; compare it with a backup"
        )


class Entry(Struct, omit_defaults=True):
    """In the order of the names, which RFC 8785 wants; what is not there is left out. Ids are lower-case text."""

    actor: str | UnsetType = UNSET
    causation_id: UUID | str | None = None
    correlation_id: UUID | str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    event_id: UUID | str | UnsetType = UNSET
    owner_id: UUID | str | UnsetType = UNSET
    partition: int | UnsetType = UNSET
    recorded_at: datetime | str | UnsetType = UNSET
    request_id: str | None = None
    schema_version: int | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET
    traceparent: str | None = None
    type: str | UnsetType = UNSET
    version: int | UnsetType = UNSET


COLUMNS: Final = Entry.__struct_fields__
"""Of the table, in the order in which `entry_of` takes them."""

Fields = Mapping[str, Any]

_encode: Final = msgspec.json.Encoder().encode


def entry_of(row: Iterable[Any]) -> bytes:
    """Of a row of COLUMNS. Raises EntryTooLarge."""
    (
        actor, causation_id, correlation_id, data, event_id, owner_id, partition, recorded_at, request_id, schema_version,
        seq, stream_id, traceparent, kind, version,
    ) = row  # fmt: skip
    if not recorded_at.microsecond:
        recorded_at = _with_microseconds(recorded_at)
    try:
        text, is_text = data.decode(), True
    except UnicodeDecodeError:
        text, is_text = UNSET, False
    entry = Entry(
        actor, causation_id, correlation_id, text, event_id, owner_id, partition, recorded_at, request_id, schema_version,
        seq, stream_id, traceparent, kind, version,
    )  # fmt: skip
    content = _encode(entry)
    if is_text and len(content) <= ENTRY_BYTES_MAX:
        return content
    return _substituted(entry, data, is_text=is_text)


def _with_microseconds(moment: datetime) -> str:
    """The encoder leaves them out where they are zero, once in a million events."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _substituted(entry: Entry, data: bytes, *, is_text: bool) -> bytes:
    """With something else in the place of data that is no UTF-8, or too long."""
    entry.data = UNSET
    encoded = _with(entry, data_base64=data)
    if not is_text and len(encoded) <= ENTRY_BYTES_MAX:
        return encoded
    content = _with(entry, data_bytes=len(data), data_sha256=sha256(data).hexdigest())
    if len(content) > ENTRY_BYTES_MAX:
        assert isinstance(entry.partition, int)
        assert isinstance(entry.seq, int)
        raise EntryTooLarge(entry.partition, entry.seq, len(content))
    return content


def _with(entry: Entry, **members: object) -> bytes:
    return msgspec.json.encode({**msgspec.to_builtins(entry), **members}, order="sorted")


def fields_of(entry: bytes) -> Fields:
    """What stands in it. Raises msgspec.DecodeError."""
    return msgspec.json.decode(entry, type=dict[str, Any])
