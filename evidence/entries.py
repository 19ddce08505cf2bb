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
    """In the order of the names, which RFC 8785 wants; what is not there is left out.

    `data` is the stored text itself, as a string. Where it is no UTF-8, `data_base64` stands in its place; where the entry would not
    fit into a bundle, `data_bytes` and `data_sha256` do.
    """

    actor: str | UnsetType = UNSET
    causation_id: UUID | None = None
    correlation_id: UUID | UnsetType = UNSET
    data: str | UnsetType = UNSET
    data_base64: bytes | None = None
    data_bytes: int | None = None
    data_sha256: str | None = None
    event_id: UUID | UnsetType = UNSET
    owner_id: UUID | UnsetType = UNSET
    partition: int | UnsetType = UNSET
    recorded_at: datetime | str | UnsetType = UNSET
    request_id: str | None = None
    schema_version: int | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET
    traceparent: str | None = None
    type: str | UnsetType = UNSET
    version: int | UnsetType = UNSET


COLUMNS: Final = tuple(name for name in Entry.__struct_fields__ if not name.startswith("data_"))
"""Of the table, in the order in which `entry_of` takes them."""

Fields = Mapping[str, Any]

_encode: Final = msgspec.json.Encoder().encode


def entry_of(row: Iterable[Any]) -> bytes:
    """Of a row of COLUMNS. Raises EntryTooLarge."""
    (
        actor, causation_id, correlation_id, data, event_id, owner_id, partition, recorded_at, request_id, schema_version,
        seq, stream_id, traceparent, kind, version,
    ) = row  # fmt: skip
    try:
        text, encoded = data.decode(), None
    except UnicodeDecodeError:
        text, encoded = UNSET, data
    if not recorded_at.microsecond:
        recorded_at = _with_microseconds(recorded_at)
    entry = Entry(
        actor, causation_id, correlation_id, text, encoded, None, None, event_id, owner_id, partition, recorded_at,
        request_id, schema_version, seq, stream_id, traceparent, kind, version,
    )  # fmt: skip
    content = _encode(entry)
    return content if len(content) <= ENTRY_BYTES_MAX else _with_digest(entry, data)


def _with_microseconds(moment: datetime) -> str:
    """The encoder leaves them out where they are zero, once in a million events."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _with_digest(entry: Entry, data: bytes) -> bytes:
    entry.data, entry.data_base64 = UNSET, None
    entry.data_bytes, entry.data_sha256 = len(data), sha256(data).hexdigest()
    content = _encode(entry)
    if len(content) > ENTRY_BYTES_MAX:
        assert isinstance(entry.partition, int)
        assert isinstance(entry.seq, int)
        raise EntryTooLarge(entry.partition, entry.seq, len(content))
    return content


def fields_of(entry: bytes) -> Fields:
    """What stands in it. Raises msgspec.DecodeError."""
    return msgspec.json.decode(entry, type=dict[str, Any])
