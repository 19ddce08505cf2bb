"""What an auditor reads of an event: whole, on a line, and nothing that only a key opens."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from cli.past import fields_of_state, flat
from cli.telling import (
    SEALED,
    SENTENCES,
    Timeline,
    as_json_line,
    fields_of,
    is_sealed,
    personal_names,
    sentence_of,
    without_sealed,
)
from domain.api_keys import API_KEYS, ApiKeys
from domain.log import LogRecord
from domain.media_file import MediaFile
from domain.transcription import Transcription
from schemas.events import REGISTRY
from tests.builders import api_key_created, identity


def record(kind: str, content: bytes, *, schema_version: int = 1, day: int = 1) -> LogRecord:
    return LogRecord(
        partition=0,
        seq=1,
        type=kind,
        schema_version=schema_version,
        data=content,
        stream_id="user-1",
        version=1,
        owner_id=uuid4(),
        event_id=uuid4(),
        recorded_at=datetime(2026, 3, day, 12, tzinfo=UTC),
        actor="anna",
        correlation_id=uuid4(),
        causation_id=None,
        request_id=None,
        traceparent=None,
    )


def test_every_event_there_is_has_a_sentence() -> None:
    assert set(SENTENCES) == {kind.name for kind in REGISTRY}


def test_what_is_sealed_is_said_to_be_and_all_else_is_told() -> None:
    content = b'{"job":{"prompt":"AbC=","vocabulary":"","file_id":"f","duration_seconds":3},"minutes":1}'
    sealed = record("TranscriptionRequested", content, schema_version=2)
    assert fields_of(sealed) == {
        "job": {"prompt": SEALED, "vocabulary": "", "file_id": "f", "duration_seconds": 3},
        "minutes": 1,
    }
    assert sentence_of(sealed) == "requested for file f: 3 s of sound, 1 minutes"
    registered = record("UserRegistered", b'{"email":"AbC="}', schema_version=2)
    assert sentence_of(registered) == "registered as (sealed)"
    assert sentence_of(msgspec.structs.replace(registered, schema_version=1)) == "registered as AbC="


def test_personal_fields_are_found_in_whatever_holds_them() -> None:
    assert personal_names(Transcription) >= {"prompt"}
    assert personal_names(MediaFile) == {"filename"}
    assert personal_names(ApiKeys) == {"name"}


def test_the_name_of_an_api_key_is_sealed_from_the_first_version_on() -> None:
    made = record("ApiKeyCreated", b'{"name":"AbC=","prefix":"steno_Ab12Cd","key_id":"k"}')
    assert sentence_of(made) == "API key steno_Ab12Cd\u2026 created, named (sealed)"
    assert is_sealed(made)
    assert not is_sealed(record("ApiKeyRevoked", b'{"key_id":"k"}'))


def test_of_a_state_that_holds_keys_no_name_is_told() -> None:
    state = API_KEYS.fold([api_key_created()])
    told = flat(without_sealed(fields_of_state(state), personal_names(ApiKeys), always=True))
    assert told[f"keys.{identity('key')}.name"] == SEALED
    assert told[f"keys.{identity('key')}.prefix"] == "steno_Ab12Cd"


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("UserSold", b'{"price":3}', 'UserSold.v1: {"price":3}'),
        ("QuotaGranted", b'{"price":3}', 'QuotaGranted.v1: {"price":3}'),
        ("QuotaGranted", b"no json", "QuotaGranted.v1: no json"),
        ("QuotaGranted", b"\xff", "QuotaGranted.v1: \ufffd"),
        ("QuotaGranted", b"[" * 100_000, "QuotaGranted.v1: [[["),
        ("TranscriptionRequested", b'{"job":3,"minutes":1}', 'TranscriptionRequested.v1: {"job":3'),
        ("UserRegistered", b'{"email":"{0.__class__}"}', "registered as {0.__class__}"),
    ],
)
def test_what_fits_no_sentence_is_shown_as_it_is_stored(kind: str, content: bytes, told: str) -> None:
    assert sentence_of(record(kind, content)).startswith(told)


def test_nothing_in_an_event_moves_or_colours_a_terminal() -> None:
    content = msgspec.json.encode({"email": "a\x1b[31m\r\n\u202eb"})
    assert sentence_of(record("UserRegistered", content)) == r"registered as a\x1b[31m\r\n\u202eb"


@pytest.mark.parametrize("content", [b'{"a":\n1}', b"no json", b"\xff"])
def test_a_line_of_json_is_one_line_of_json_whatever_is_stored(content: bytes) -> None:
    line = as_json_line(record("QuotaGranted", content))
    assert "\n" not in line
    assert isinstance(msgspec.json.decode(line)["data"], str)


def test_a_day_is_named_once() -> None:
    days = [record("UserRegistered", b'{"email":"a"}', day=day) for day in (1, 1, 2)]
    lines = list(Timeline().tell(days))
    assert [line for line in lines if line.endswith("(UTC)")] == ["2026-03-01 (UTC)", "2026-03-02 (UTC)"]
    assert len(lines) == 5
