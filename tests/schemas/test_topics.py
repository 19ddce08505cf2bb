"""Log records as Kafka messages."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.log import LogRecord, RecordedEvent
from schemas.partitions import partition_of
from schemas.topics import Topics, UnreadableMessage, event_of, headers_of, record_of
from tests.builders import ANNA, identity

RECORD = LogRecord(
    partition=3,
    seq=7,
    stream_id=f"user-{ANNA}",
    version=1,
    owner_id=ANNA,
    type="UserRegistered",
    schema_version=2,
    data=b'{"user_id":"x"}',
    event_id=identity("event"),
    recorded_at=datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
    actor=f"user:{ANNA}",
    correlation_id=identity("conversation"),
    causation_id=identity("cause"),
    request_id="r-1",
    traceparent=None,
)


def test_a_record_comes_back_from_kafka_as_it_went() -> None:
    assert record_of(str(ANNA).encode(), RECORD.data, headers_of(RECORD)) == RECORD


def test_a_message_says_what_it_is_in_cloudevents_words() -> None:
    headers = dict(headers_of(RECORD))
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"] == b"UserRegistered"
    assert headers["ce_subject"] == f"user-{ANNA}".encode()
    assert headers["ce_dataschema"] == b"/schemas/UserRegistered/2"


def test_what_it_takes_to_fold_a_record_comes_back_from_kafka() -> None:
    names = RecordedEvent.__struct_fields__
    event = RecordedEvent(**{name: getattr(RECORD, name) for name in names})
    assert event_of(RECORD.data, dict(headers_of(RECORD))) == event


@pytest.mark.parametrize("broken", [b"", b"x", None])
@pytest.mark.parametrize("name", ["seq", "partition", "ce_dataschema"])
def test_an_event_with_a_broken_header_is_unreadable(name: str, broken: bytes | None) -> None:
    headers: dict[str, Any] = {**dict(headers_of(RECORD)), name: broken}
    with pytest.raises(UnreadableMessage):
        event_of(RECORD.data, headers)


@pytest.mark.parametrize("missing", ["seq", "partition", "ce_type", "ce_dataschema"])
def test_an_event_without_a_header_is_unreadable(missing: str) -> None:
    headers = {name: value for name, value in headers_of(RECORD) if name != missing}
    with pytest.raises(UnreadableMessage, match=missing):
        event_of(RECORD.data, headers)


def test_an_event_without_a_value_is_unreadable() -> None:
    with pytest.raises(UnreadableMessage):
        event_of(None, dict(headers_of(RECORD)))


@pytest.mark.parametrize("missing", ["seq", "ce_id", "ce_type", "ce_time", "partition"])
def test_a_message_without_a_header_is_unreadable(missing: str) -> None:
    headers = [(name, value) for name, value in headers_of(RECORD) if name != missing]
    with pytest.raises(UnreadableMessage, match=missing):
        record_of(str(ANNA).encode(), RECORD.data, headers)


@pytest.mark.parametrize("broken", [b"", b"x", None])
@pytest.mark.parametrize(
    "name", ["seq", "ce_id", "ce_time", "ce_dataschema", "partition", "correlation_id"]
)
def test_a_message_with_a_broken_header_is_unreadable(name: str, broken: bytes | None) -> None:
    """Kafka allows a header without content, which aiokafka's types do not say."""
    headers: list[Any] = [(each, broken if each == name else value) for each, value in headers_of(RECORD)]
    with pytest.raises(UnreadableMessage):
        record_of(str(ANNA).encode(), RECORD.data, headers)


def test_a_message_without_a_value_is_unreadable() -> None:
    with pytest.raises(UnreadableMessage):
        record_of(str(ANNA).encode(), None, headers_of(RECORD))


def test_topics_of_two_deployments_do_not_meet() -> None:
    assert Topics().events == "stenolog.events.v1"
    assert Topics("test").events != Topics().events


def test_a_partition_never_changes() -> None:
    """Stored events lie where this function put them; another answer would lose them."""
    assert partition_of(UUID("0190c1f0-0000-7000-8000-0000deadbeef"), 8) == 7
    assert partition_of(UUID("0190c1f0-0000-7000-8000-0000deadbeef"), 7) == 0xDEADBEEF % 7
