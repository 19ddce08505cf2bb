"""Snippets: around what was asked for, with the time of the word that stands there."""

from hypothesis import given
from hypothesis import strategies as st

from projections.snippets import (
    BEFORE_CHARACTERS,
    BEGIN,
    CHARACTERS,
    END,
    Snippet,
    Span,
    snippet_of,
    spans_marked,
    spans_of,
)

WORD_MS = 100


def snippet(text: str, *sought: str) -> Snippet:
    folded = text.lower()
    times = [
        (place, WORD_MS * number)
        for number, place in enumerate([0, *(place + 1 for place, sign in enumerate(text) if sign == " ")])
    ]
    return snippet_of(text, folded, times, spans_of(sought, folded))


def matches(found: Snippet) -> list[str]:
    return [part.text for part in found.parts if part.match]


def test_what_was_found_is_told_apart_from_what_is_around_it() -> None:
    found = snippet("We talk about the Budget today", "budget")
    assert [(part.text, part.match) for part in found.parts] == [
        ("We talk about the ", False),
        ("Budget", True),
        (" today", False),
    ]
    assert found.start_ms == 4 * WORD_MS


def test_a_snippet_is_where_most_of_what_was_asked_for_stands() -> None:
    text = "budget " + "and so on " * 60 + "the budget of the meeting " + "and so on " * 60
    found = snippet(text, "budget", "meeting")
    assert matches(found) == ["budget", "meeting"]
    assert found.start_ms == WORD_MS * (1 + 3 * 60 + 1)


def test_without_anything_to_show_it_is_the_beginning() -> None:
    found = snippet("word " * 100)
    assert (found.start_ms, matches(found)) == (0, [])
    assert "".join(part.text for part in found.parts).startswith("word word")


def test_marks_are_believed_only_around_the_text_itself() -> None:
    marked = f"the {BEGIN}budget{END} of {BEGIN}x{END}"
    assert spans_marked(marked, "the budget of x") == [Span(4, 10), Span(14, 15)]
    assert spans_marked(marked, "the budget of y") == []


@given(
    st.lists(st.text("ab c会", min_size=1, max_size=12), min_size=1, max_size=200),
    st.lists(st.sampled_from(["a", "ab", "会", "c", "zz"]), max_size=3),
)
def test_a_snippet_is_a_piece_of_the_text_that_is_not_too_long(
    pieces: list[str], sought: list[str]
) -> None:
    text = " ".join(pieces)
    found = snippet(text, *sought)
    told = "".join(part.text for part in found.parts)
    assert told in text
    assert len(told) <= BEFORE_CHARACTERS + CHARACTERS + 2
    assert all(part.text.lower() in sought for part in found.parts if part.match)
    assert bool(matches(found)) == any(each in text for each in sought)
