"""The headers that relays wrote before December 2026, which topics still hold."""

from domain.log import LogRecord
from schemas.topics import Headers


def earlier_headers_of(record: LogRecord) -> Headers:
    said = {
        "ce_specversion": "1.0",
        "ce_id": record.event_id,
        "ce_type": record.type,
        "ce_source": "/stenolog",
        "ce_time": record.recorded_at.isoformat().replace("+00:00", "Z"),
        "ce_subject": record.stream_id,
        "ce_dataschema": f"/schemas/{record.type}/{record.schema_version}",
        "content-type": "application/json",
        "partition": record.partition,
        "seq": record.seq,
        "version": record.version,
        "actor": record.actor,
        "correlation_id": record.correlation_id,
        "causation_id": record.causation_id,
        "request_id": record.request_id,
        "traceparent": record.traceparent,
    }
    return [(name, str(content).encode()) for name, content in said.items() if content is not None]
