"""Ranges as RFC 9110 has them: what is asked for, what is ignored and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ranges import RangeNotSatisfiable, Span, span_of, still_holds

ETAG = '"0a1b"'


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=0-", Span(0, 100)),
        ("bytes=10-19", Span(10, 20)),
        ("bytes=90-200", Span(90, 100)),
        ("bytes=-10", Span(90, 100)),
        ("bytes=-1000", Span(0, 100)),
        ("Bytes = 10-19", Span(10, 20)),
    ],
)
def test_a_range_is_what_it_says(asked: str, span: Span) -> None:
    assert span_of(asked, 100) == span


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "",
        "bytes",
        "bytes=-",
        "bytes=a-b",
        "bytes=20-10",
        "bytes=0-1,5-6",
        "seconds=0-1",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_what_nobody_has_to_understand_is_answered_with_the_whole(asked: str | None) -> None:
    assert span_of(asked, 100) is None


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(asked: str) -> None:
    with pytest.raises(RangeNotSatisfiable, match="has 100 bytes"):
        span_of(asked, 100)


@given(
    st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,3}-[0-9]{0,3}", fullmatch=True),
    st.integers(1, 500),
)
def test_whatever_is_asked_for_is_inside_the_file(asked: str, size_bytes: int) -> None:
    try:
        span = span_of(asked, size_bytes)
    except RangeNotSatisfiable:
        return
    assert span is None or 0 <= span.start < span.end <= size_bytes


@pytest.mark.parametrize(
    ("told", "holds"),
    [(None, True), (ETAG, True), ('"other"', False), ("Fri, 27 Nov 2026 12:00:00 GMT", False)],
)
def test_a_range_of_something_else_is_not_sent(told: str | None, holds: bool) -> None:
    assert still_holds(told, ETAG) == holds
