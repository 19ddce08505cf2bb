"""The AsyncAPI document: valid, complete, and refused messages are told from promised ones."""

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct

from domain.events import Event
from schemas.asyncapi import document
from schemas.checkpoints import RelayCheckpoint, encode_checkpoint
from schemas.events import encode, type_of
from schemas.messages import Report, WorkerReady, encode_report
from schemas.topics import Headers, Topics, headers_of, job_headers_of
from tests import builders, keys
from tests.asyncapi import CHANNELS, breaches, topic_of
from tests.infrastructure.kafka.messages import record
from tests.schemas.earlier_headers import earlier_headers_of
from tests.schemas.test_events import EVENTS

KEY = str(builders.ANNA).encode()


class Sent(Struct):
    """A message as a consumer gets it."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def sent(event: Event, headers: Headers | None = None) -> Sent:
    of = record(1, event=event)
    return Sent(KEY, encode(event, 1, keys.KEY), headers_of(of) if headers is None else headers)


def found(channel: str, message: Sent) -> list[str]:
    return list(breaches(channel, [message]))


def test_it_is_asyncapi() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The library has fields that hide others of its own.
        from asyncapi3 import AsyncAPI3  # type: ignore[import-untyped]  # noqa: PLC0415

        AsyncAPI3.model_validate(document())


def test_whatever_it_refers_to_is_there() -> None:
    whole = document()
    for reference in _references(whole):
        place: Any = whole
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


def _references(part: Any) -> Iterator[str]:
    match part:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for each in part.values():
                yield from _references(each)
        case list():
            for each in part:
                yield from _references(each)


def test_all_topics_are_in_it() -> None:
    of = Topics("mine")
    topics = {of.events, of.jobs, of.reports, of.checkpoints, of.evidence, of.facts, of.dead_letters}
    assert {topic_of(channel, "mine") for channel in CHANNELS} == topics


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_as_promised(event: Event) -> None:
    assert found("events", sent(event)) == []


def test_every_header_may_be_there() -> None:
    full = msgspec.structs.replace(
        record(1),
        causation_id=builders.identity("cause"),
        request_id="r-1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    assert found("events", Sent(KEY, full.data, headers_of(full))) == []


@pytest.mark.parametrize(
    "event",
    [builders.started(), builders.cancelled(), builders.attempt_failed()],
    ids=lambda event: type(event).__name__,
)
def test_a_job_is_as_promised(event: Event) -> None:
    assert found("jobs", sent(event, job_headers_of(headers_of(record(1, event=event)), 3))) == []


def test_an_event_that_no_worker_needs_is_no_job() -> None:
    [line] = found("jobs", sent(builders.granted(1)))
    assert "not in the document" in line


@pytest.mark.parametrize(
    "report",
    [
        WorkerReady(
            worker_id=builders.identity("worker"),
            engine="scripted",
            slots=2,
            running=((builders.identity("transcription"), 1),),
            languages=("en",),
        )
    ],
)
def test_a_report_is_as_promised(report: Report) -> None:
    assert found("reports", Sent(str(builders.identity("worker")).encode(), encode_report(report))) == []


def test_a_checkpoint_is_as_promised() -> None:
    assert found("checkpoints", Sent(b"3", encode_checkpoint(RelayCheckpoint(partition=3, seq=7)))) == []


def test_the_headers_of_before_are_told_from_those_of_today() -> None:
    assert found(
        "events", sent(builders.granted(1), earlier_headers_of(record(1, event=builders.granted(1))))
    )


@pytest.mark.parametrize("missing", ["ce_id", "seq", "actor"])
def test_a_missing_header_is_a_breach(missing: str) -> None:
    event = builders.granted(1)
    headers = [each for each in headers_of(record(1, event=event)) if each[0] != missing]
    assert found("events", sent(event, headers)) == [f"events, QuotaGranted: headers is not required: {_required()}"]  # fmt: skip


def _required() -> list[str]:
    required: list[str] = document()["components"]["messages"]["QuotaGranted"]["headers"]["required"]
    return required


def test_another_key_is_a_breach() -> None:
    message = sent(builders.granted(1))
    message.key = b"anna"
    [line] = found("events", message)
    assert line == "events, QuotaGranted: key is not format: uuid"


def test_another_value_is_a_breach_whose_line_does_not_repeat_it() -> None:
    message = sent(builders.registered())
    message.value = re.sub(
        rb'"registered_at":"[^"]+"', b'"registered_at":"anna@example.com"', message.value or b""
    )
    [line] = found("events", message)
    assert line == "events, UserRegistered-v2: value.registered_at is not format: date-time"


def test_a_type_names_its_schema() -> None:
    stored = type_of(builders.granted(1))
    title: str = document()["components"]["messages"][stored.name]["title"]
    assert "/schemas/QuotaGranted/1" in title


def test_keys_are_the_ids_of_users() -> None:
    assert UUID(KEY.decode()) == builders.ANNA
