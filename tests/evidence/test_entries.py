"""An entry holds every column of an event, in the one form that RFC 8785 leaves."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from evidence.entries import COLUMNS, EntryTooLarge, entry_of, fields_of
from evidence.tiles import ENTRY_BYTES_MAX
from tests.builders import ANNA, identity

Row = dict[str, Any]

EVENT: Row = {
    "actor": f"user:{ANNA}",
    "causation_id": None,
    "correlation_id": identity("conversation"),
    "data": b'{"minutes": 60}',
    "event_id": identity("event"),
    "owner_id": ANNA,
    "partition": 3,
    "recorded_at": datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
    "request_id": None,
    "schema_version": 1,
    "seq": 17,
    "stream_id": f"quota-{ANNA}",
    "traceparent": None,
    "type": "QuotaGranted",
    "version": 1,
}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
"""What PostgreSQL keeps: control and astral characters, and no NUL."""
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # as Hypothesis wants them
rows = st.fixed_dictionaries(
    {
        "actor": texts,
        "causation_id": st.none() | st.uuids(),
        "correlation_id": st.uuids(),
        "data": st.text(st.characters(exclude_categories=["Cs"])).map(str.encode),
        "event_id": st.uuids(),
        "owner_id": st.uuids(),
        "partition": st.integers(0, 255),
        "recorded_at": moments | moments.map(lambda moment: moment.replace(microsecond=0)),
        "request_id": st.none() | texts,
        "schema_version": st.integers(1, 2**31 - 1),
        "seq": st.integers(1, 2**53 - 1),
        "stream_id": texts,
        "traceparent": st.none() | texts,
        "type": texts,
        "version": st.integers(1, 2**31 - 1),
    }
)


def entry(**changes: Any) -> bytes:
    return entry_of((EVENT | changes)[column] for column in COLUMNS)


def as_json(row: Row) -> dict[str, Any]:
    """What stands in an entry, put together by hand."""
    moment: datetime = row["recorded_at"]
    there = {
        name: str(each) if isinstance(each, UUID) else each
        for name, each in row.items()
        if each is not None
    }
    return there | {
        "data": row["data"].decode(),
        "recorded_at": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27),
    }


@given(rows)
def test_an_entry_is_what_another_implementation_makes_of_the_same_values(row: Row) -> None:
    assert entry(**row) == rfc8785.dumps(as_json(row))


@pytest.mark.parametrize(
    "text", ["\x00\x01\x1f\x7f\x80\u2028\u2029", '"\\/\b\f\n\r\t', "\U0001f600\uffff€é", "</script>"]
)
def test_every_character_is_written_as_rfc_8785_wants_it(text: str) -> None:
    assert entry(data=text.encode()) == rfc8785.dumps(as_json(EVENT | {"data": text.encode()}))


def test_columns_are_those_of_the_table_in_the_order_of_their_names() -> None:
    assert list(COLUMNS) == sorted(EVENT)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_of_any_column_changes_the_entry(column: str) -> None:
    others = {
        str: "other",
        bytes: b"other",
        int: 99,
        UUID: identity("other"),
        type(None): "other",
        datetime: EVENT["recorded_at"] + timedelta(microseconds=1),
    }
    assert entry(**{column: others[type(EVENT[column])]}) != entry()


def test_bytes_that_are_no_text_stand_there_as_base64() -> None:
    fields = fields_of(entry(data=b"\xff\xfe{"))
    assert fields["data_base64"] == "//57"
    assert "data" not in fields


def test_of_data_that_fits_into_no_bundle_its_digest_is_sealed() -> None:
    large = b"x" * ENTRY_BYTES_MAX
    fields = fields_of(entry(data=large))
    assert (fields["data_bytes"], fields["data_sha256"]) == (len(large), sha256(large).hexdigest())
    assert fields["event_id"] == str(EVENT["event_id"])
    assert "data" not in fields
    assert entry(data=large) != entry(data=b"y" * ENTRY_BYTES_MAX)


def test_data_stands_in_its_entry_up_to_the_last_byte_that_fits() -> None:
    room = ENTRY_BYTES_MAX - len(entry(data=b""))
    assert len(entry(data=b"x" * room)) == ENTRY_BYTES_MAX
    assert "data" in fields_of(entry(data=b"x" * room))
    assert "data" not in fields_of(entry(data=b"x" * (room + 1)))


def test_metadata_that_fits_into_no_bundle_is_refused_with_its_address() -> None:
    with pytest.raises(EntryTooLarge, match=r"event 3:17 has \d+ bytes of metadata"):
        entry(actor="x" * ENTRY_BYTES_MAX)


def test_an_entry_can_be_read_again() -> None:
    assert fields_of(entry()) == as_json(EVENT)
    with pytest.raises(msgspec.DecodeError):
        fields_of(b"no JSON")
