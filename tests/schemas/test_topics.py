"""Log records as Kafka messages."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.log import LogRecord, RecordedEvent
from schemas.partitions import partition_of
from schemas.topics import (
    Headers,
    Topics,
    UnreadableMessage,
    event_of,
    headers_of,
    job_headers_of,
    named_partition,
    place_of,
    record_of,
)
from tests.builders import ANNA, identity
from tests.schemas.earlier_headers import earlier_headers_of

KEY = str(ANNA).encode()
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


def read(headers: Any) -> LogRecord:
    return record_of(3, KEY, RECORD.data, headers)


@pytest.mark.parametrize("actor", [f"user:{ANNA}", f"user:{identity('somebody')}", "dispatcher", "user"])
@pytest.mark.parametrize("request_id", [None, "r-1", str(identity("conversation"))])
def test_a_record_comes_back_from_kafka_as_it_went(actor: str, request_id: str | None) -> None:
    record = replace(RECORD, actor=actor, request_id=request_id)
    assert read(headers_of(record)) == (
        record if actor != "user" else replace(record, actor=f"user:{ANNA}")
    )


def test_a_record_that_was_sent_with_the_earlier_headers_is_still_read() -> None:
    assert read(earlier_headers_of(RECORD)) == RECORD


def test_a_message_says_what_it_is_in_cloudevents_words() -> None:
    headers = dict(headers_of(RECORD))
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_source"] == b"/stenolog"
    assert headers["ce_id"] == str(RECORD.event_id).encode()
    assert headers["ce_type"] == b"UserRegistered.v2"
    assert headers["ce_subject"] == f"user-{ANNA}".encode()
    assert headers["ce_time"] == b"2026-03-01T12:00:00.123456Z"


def test_the_first_version_of_a_type_is_its_name() -> None:
    assert dict(headers_of(replace(RECORD, schema_version=1)))["ce_type"] == b"UserRegistered"


def test_the_headers_of_a_request_are_smaller_than_they_were() -> None:
    request = replace(RECORD, schema_version=1, causation_id=None, request_id=str(RECORD.correlation_id))
    assert size_bytes(headers_of(request)) <= 2 / 3 * size_bytes(earlier_headers_of(request))


def size_bytes(headers: Headers) -> int:
    return sum(len(name) + len(content) for name, content in headers)


def test_a_job_says_which_partition_of_the_log_it_comes_from() -> None:
    assert named_partition(dict(job_headers_of(headers_of(RECORD), 3))) == 3
    assert named_partition(dict(headers_of(RECORD))) is None
    with pytest.raises(UnreadableMessage):
        named_partition({"partition": b"x"})


@pytest.mark.parametrize("of", [headers_of, earlier_headers_of])
def test_what_it_takes_to_fold_a_record_comes_back_from_kafka(of: Any) -> None:
    names = RecordedEvent.__struct_fields__
    event = RecordedEvent(**{name: getattr(RECORD, name) for name in names})
    assert event_of(3, RECORD.data, dict(of(RECORD))) == event


def test_how_far_a_message_goes_is_known_although_the_rest_cannot_be_read() -> None:
    headers = [each for each in headers_of(RECORD) if each[0] in ("seq", "ce_id")]
    assert place_of(headers) == (7, RECORD.event_id)
    with pytest.raises(UnreadableMessage):
        place_of(headers[:1])


@pytest.mark.parametrize("broken", [b"", b"x", None])
@pytest.mark.parametrize("name", ["seq", "ce_dataschema"])
def test_an_event_with_a_broken_header_is_unreadable(name: str, broken: bytes | None) -> None:
    headers: dict[str, Any] = {**dict(earlier_headers_of(RECORD)), name: broken}
    if (name, broken) != ("ce_dataschema", None):
        with pytest.raises(UnreadableMessage):
            event_of(3, RECORD.data, headers)


@pytest.mark.parametrize("ce_type", [b"", b".v2", b"UserRegistered.v", b"UserRegistered.vx", b"\xff", None])
def test_an_event_with_a_broken_type_is_unreadable(ce_type: bytes | None) -> None:
    headers: dict[str, Any] = {**dict(headers_of(RECORD)), "ce_type": ce_type}
    with pytest.raises(UnreadableMessage):
        event_of(3, RECORD.data, headers)


@pytest.mark.parametrize("missing", ["seq", "ce_type"])
def test_an_event_without_a_header_is_unreadable(missing: str) -> None:
    headers = {name: value for name, value in headers_of(RECORD) if name != missing}
    with pytest.raises(UnreadableMessage, match=missing):
        event_of(3, RECORD.data, headers)


def test_an_event_without_a_value_is_unreadable() -> None:
    with pytest.raises(UnreadableMessage):
        event_of(3, None, dict(headers_of(RECORD)))


@pytest.mark.parametrize("missing", ["seq", "ce_id", "ce_type", "ce_time", "actor"])
def test_a_message_without_a_header_is_unreadable(missing: str) -> None:
    with pytest.raises(UnreadableMessage, match=missing):
        read([(name, value) for name, value in headers_of(RECORD) if name != missing])


@pytest.mark.parametrize("broken", [b"", b"x", None])
@pytest.mark.parametrize("name", ["seq", "ce_id", "ce_time", "correlation_id"])
def test_a_message_with_a_broken_header_is_unreadable(name: str, broken: bytes | None) -> None:
    """Kafka allows a header without content, which aiokafka's types do not say."""
    headers: list[Any] = [(each, broken if each == name else value) for each, value in headers_of(RECORD)]
    with pytest.raises(UnreadableMessage):
        read(headers)


def test_a_message_without_a_value_is_unreadable() -> None:
    with pytest.raises(UnreadableMessage):
        record_of(3, KEY, None, headers_of(RECORD))


def test_topics_of_two_deployments_do_not_meet() -> None:
    assert Topics().events == "stenolog.events.v2"
    assert Topics("test").events != Topics().events


def test_what_is_outdated_is_none_of_the_topics_of_today() -> None:
    topics = Topics("test")
    today = {getattr(topics, name) for name, of in vars(Topics).items() if isinstance(of, property)} - {
        topics.outdated
    }
    assert topics.events in today
    assert not today & {*topics.outdated}
    assert all(name.startswith("test.") for name in topics.outdated)


def test_a_partition_never_changes() -> None:
    """Stored events lie where this function put them; another answer would lose them."""
    assert partition_of(UUID("0190c1f0-0000-7000-8000-0000deadbeef"), 8) == 7
    assert partition_of(UUID("0190c1f0-0000-7000-8000-0000deadbeef"), 7) == 0xDEADBEEF % 7
