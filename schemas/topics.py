"""The Kafka topics, and log records as Kafka messages (CloudEvents, binary mode)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from domain.log import LogRecord

PREFIX: Final = "stenolog"


class Topics(Struct, frozen=True):
    """The names of the five topics; deployments and tests that share a Kafka differ in the prefix."""

    prefix: str = PREFIX

    @property
    def events(self) -> str:
        """Key: user id. The log, partition by partition."""
        return f"{self.prefix}.events.v1"

    @property
    def jobs(self) -> str:
        """Key: worker id. Assignments and cancellations for that worker."""
        return f"{self.prefix}.inference.jobs.v1"

    @property
    def reports(self) -> str:
        """Key: worker id. What workers report."""
        return f"{self.prefix}.inference.reports.v1"

    @property
    def checkpoints(self) -> str:
        """Compacted, key: log partition. How far the relay has come."""
        return f"{self.prefix}.relay.checkpoints.v1"

    @property
    def dead_letters(self) -> str:
        """Key and value as the original. What nobody could read."""
        return f"{self.prefix}.dead-letters.v1"


Headers = list[tuple[str, bytes]]


class UnreadableMessage(Exception):
    """A Kafka message that is no log record: a header is missing or malformed."""


def headers_of(record: LogRecord) -> Headers:
    """CloudEvents 1.0 Kafka protocol binding, binary content mode, and the record's address and provenance."""
    headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", str(record.event_id)),
        ("ce_type", record.type),
        ("ce_source", "/stenolog"),
        ("ce_time", record.recorded_at.isoformat()),
        ("ce_subject", record.stream_id),
        ("ce_dataschema", f"/schemas/{record.type}/{record.schema_version}"),
        ("content-type", "application/json"),
        ("partition", str(record.partition)),
        ("seq", str(record.seq)),
        ("version", str(record.version)),
        ("actor", record.actor),
        ("correlation_id", str(record.correlation_id)),
    ]
    optional = [
        ("causation_id", record.causation_id),
        ("request_id", record.request_id),
        ("traceparent", record.traceparent),
    ]
    headers += [(name, str(value)) for name, value in optional if value is not None]
    return [(name, value.encode()) for name, value in headers]


def record_of(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> LogRecord:
    """The log record a message carries. Raises UnreadableMessage."""
    try:
        return _record_of(key, value, {name: content.decode() for name, content in headers})
    except (KeyError, ValueError, TypeError) as problem:
        raise UnreadableMessage(f"{type(problem).__name__}: {problem}") from problem


def _record_of(key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> LogRecord:
    if key is None or value is None:
        raise ValueError("no key or no value")
    causation_id = headers.get("causation_id")
    return LogRecord(
        partition=int(headers["partition"]),
        seq=int(headers["seq"]),
        stream_id=headers["ce_subject"],
        version=int(headers["version"]),
        owner_id=UUID(key.decode()),
        type=headers["ce_type"],
        schema_version=int(headers["ce_dataschema"].rpartition("/")[2]),
        data=value,
        event_id=UUID(headers["ce_id"]),
        recorded_at=datetime.fromisoformat(headers["ce_time"]),
        actor=headers["actor"],
        correlation_id=UUID(headers["correlation_id"]),
        causation_id=UUID(causation_id) if causation_id else None,
        request_id=headers.get("request_id"),
        traceparent=headers.get("traceparent"),
    )
