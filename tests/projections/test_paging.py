"""Cursors go out as opaque text and come back as they were."""

import contextlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidField
from projections.paging import Cursor, decode_cursor
from tests.builders import NOON, identity


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_survives_the_way_through_a_link(created_at: datetime, identifier: UUID) -> None:
    cursor = Cursor(created_at, identifier)
    assert decode_cursor(cursor.encode()) == cursor


@given(st.text())
def test_text_that_no_list_gave_out_is_refused_or_a_cursor(text: str) -> None:
    with contextlib.suppress(InvalidField):
        assert decode_cursor(text).created_at.tzinfo is not None


@pytest.mark.parametrize("change", ["", "x", "é", "====", "00"])
def test_a_cut_cursor_is_refused(change: str) -> None:
    text = Cursor(NOON, identity("file")).encode()
    with pytest.raises(InvalidField):
        decode_cursor(text[:25] + change)


def test_a_cursor_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InvalidField):
        decode_cursor(Cursor(NOON.replace(tzinfo=None), identity("file")).encode())
