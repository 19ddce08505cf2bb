"""Stored events as CloudEvents 1.0 in JSON, one on each line."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cli.telling import json_line_of
from domain.log import LogRecord
from schemas.topics import type_header

SOURCE: Final = "/stenolog"

COLUMNS: Final[Mapping[str, str]] = {
    "specversion": "varchar",
    "id": "uuid",
    "type": "varchar",
    "source": "varchar",
    "time": "timestamp with time zone",
    "subject": "varchar",
    "partition": "integer",
    "sequence": "bigint",
    "streamversion": "integer",
    "partitionkey": "uuid",
    "actor": "varchar",
    "correlationid": "uuid",
    "causationid": "uuid",
    "requestid": "varchar",
    "traceparent": "varchar",
    "datacontenttype": "varchar",
    "data": "json",
    "data_base64": "varchar",
}
"""The members, in their order, each with its type where they are the columns of a table."""


class Place(msgspec.Struct, frozen=True):
    """As much of a line as says which event it is."""

    partition: int
    sequence: str


def line_of(record: LogRecord) -> bytes:
    """As in Kafka's headers, with the names that CloudEvents allows; `data` is what is stored, byte by byte.

    What is no JSON on one line, and so nothing of ours, is in `data_base64`.
    """
    content = json_line_of(record)
    members: dict[str, Any] = {
        "specversion": "1.0",
        "id": record.event_id,
        "type": type_header(record.type, record.schema_version),
        "source": SOURCE,
        "time": record.recorded_at,
        "subject": record.stream_id,
        "partition": record.partition,
        "sequence": str(record.seq),  # As the extension of this name wants it.
        "streamversion": record.version,
        "partitionkey": record.owner_id,
        "actor": record.actor,
        "correlationid": record.correlation_id,
        "causationid": record.causation_id,
        "requestid": record.request_id,
        "traceparent": record.traceparent,
        "datacontenttype": "application/json" if content else "application/octet-stream",
    }
    members = {name: value for name, value in members.items() if value is not None}
    told = {"data": msgspec.Raw(content)} if content else {"data_base64": record.data}
    return msgspec.json.encode(members | told)


def place_of(line: bytes) -> tuple[int, int]:
    """Partition and seq of the event on a line. Raises msgspec.DecodeError or ValueError."""
    place = msgspec.json.decode(line, type=Place)
    return place.partition, int(place.sequence)
