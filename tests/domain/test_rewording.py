"""Rewording: a word is found where it stands, and a text is replaced where it is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.edits import edit
from domain.errors import InvalidField
from domain.rewording import (
    FIND_CHARACTERS_MAX,
    PART_CHARACTERS,
    TEXT_CHARACTERS_MAX,
    WRITTEN_CHARACTERS_MAX,
    Replacement,
    replaced,
    with_word,
)
from domain.transcript import Segment, Transcript, Word, transcript_of


def heard(*segments: str) -> Transcript:
    """Words with a space before each, half a second long."""
    made, at = [], 0
    for segment in segments:
        words = []
        for text in segment.split():
            words.append(Word(text=f" {text}", start_ms=at, end_ms=at + 400))
            at += 500
        made.append(Segment(words=tuple(words)))
    return transcript_of(made, language="en", duration_ms=at + 1_000)


TALK = heard("Call me Ishmael.", "Some years ago, never mind.")


@pytest.mark.parametrize(
    ("index", "written", "text"),
    [
        (0, "Name", "Name me Ishmael. Some years ago, never mind."),
        (2, " Ahab. ", "Call me Ahab. Some years ago, never mind."),
        (3, "Many long", "Call me Ishmael. Many long years ago, never mind."),
        (7, "", "Call me Ishmael. Some years ago, never"),
        (0, "", "me Ishmael. Some years ago, never mind."),
        (4, "", "Call me Ishmael. Some ago, never mind."),
    ],
)
def test_one_word_is_written_anew(index: int, written: str, text: str) -> None:
    assert with_word(TALK, index, written) == text


@pytest.mark.parametrize("index", [8, -1, 1_000_000])
def test_a_word_that_is_not_there_is_refused_with_how_many_there_are(index: int) -> None:
    with pytest.raises(InvalidField, match="there are 8 in this revision"):
        with_word(TALK, index, "x")


def test_a_word_that_stands_nowhere_in_the_text_is_refused() -> None:
    with pytest.raises(InvalidField, match="send the whole text"):
        with_word(replace(TALK, text="something else"), 1, "x")
    blank = transcript_of(
        [Segment(words=(Word(text=" ", start_ms=0, end_ms=1),))], language="en", duration_ms=9
    )
    with pytest.raises(InvalidField, match="send the whole text"):
        with_word(blank, 0, "x")


TEXTS = st.text(st.sampled_from("ab .,'\n\t海ไท้é"), max_size=60)


@given(TEXTS, st.text(st.sampled_from("ab海"), min_size=1, max_size=3), st.data())
def test_whatever_was_edited_each_word_is_found_where_it_stands(
    text: str, written: str, data: st.DataObject
) -> None:
    transcript = edit(TALK, text)
    words = [word.text for word in transcript.words]
    if not words:
        return
    index = data.draw(st.integers(0, len(words) - 1))
    signs = ["".join(word.split()) for word in words]
    signs[index] = written
    assert "".join(with_word(transcript, index, written).split()) == "".join(signs)


@pytest.mark.parametrize(
    ("text", "replacement", "expected"),
    [
        (
            "Ann met Anna and Ann.",
            Replacement(find="Ann", replace_with="Sue"),
            ("Sue met Anna and Sue.", 2),
        ),
        (
            "Ann met Anna.",
            Replacement(find="Ann", replace_with="Sue", whole_words=False),
            ("Sue met Suea.", 2),
        ),
        ("ann ANN", Replacement(find="Ann", replace_with="Sue", match_case=False), ("Sue Sue", 2)),
        ("ann ANN", Replacement(find="Ann", replace_with="Sue"), ("ann ANN", 0)),
        ("a.b axb", Replacement(find="a.b", replace_with=r"\1"), (r"\1 axb", 1)),
        ("New York, New  York", Replacement(find="New York", replace_with="NY"), ("NY, New  York", 1)),
        ("我去上海了", Replacement(find="上海", replace_with="北京"), ("我去北京了", 1)),
        ("Well, um, yes", Replacement(find=" um,", replace_with=""), ("Well, yes", 1)),
        ("(x) x", Replacement(find="(x)", replace_with="y"), ("y x", 1)),
        ("我用Python编程", Replacement(find="Python", replace_with="Rust"), ("我用Rust编程", 1)),
        ("第3章と13章", Replacement(find="3", replace_with="4"), ("第4章と13章", 1)),
        ("नमस्ते नमस", Replacement(find="नमस", replace_with="x"), ("नमस्ते x", 1)),
        ("नमस्ते ते", Replacement(find="ते", replace_with="x"), ("नमस्ते x", 1)),
        ("हिंदी हिं", Replacement(find="हिं", replace_with="x"), ("हिंदी x", 1)),
        ("می\u200cخواهم خواهم", Replacement(find="خواهم", replace_with="x"), ("می\u200cخواهم x", 1)),
        ("ปี่และปี", Replacement(find="ปี", replace_with="ยุค"), ("ปี่และยุค", 1)),
        ("cafe\u0301 cafe", Replacement(find="cafe", replace_with="tea"), ("cafe\u0301 tea", 1)),
        ("cafe\u0301, café", Replacement(find="café", replace_with="tea"), ("tea, tea", 2)),
        ("cafe\u0301, café", Replacement(find="cafe\u0301", replace_with="tea"), ("tea, tea", 2)),
        ("CAFE\u0301", Replacement(find="café", replace_with="tea", match_case=False), ("tea", 1)),
        ("I ❤\ufe0f it", Replacement(find="❤", replace_with="♥"), ("I ♥\ufe0f it", 1)),
        ("👩 👩\u200d💻", Replacement(find="👩", replace_with="x"), ("x 👩\u200d💻", 1)),
    ],
)
def test_a_text_is_replaced_where_it_is_meant(
    text: str, replacement: Replacement, expected: tuple[str, int]
) -> None:
    assert replaced(text, replacement) == expected


@given(TEXTS, TEXTS.filter(bool), TEXTS)
def test_without_any_condition_it_is_what_a_program_would_replace(
    text: str, find: str, written: str
) -> None:
    replacement = Replacement(find=find, replace_with=written, whole_words=False)
    assert replaced(text, replacement) == (text.replace(find, written), text.count(find))


@pytest.mark.parametrize(
    ("replacement", "problem"),
    [
        (Replacement(find="", replace_with="x"), "find is empty"),
        (Replacement(find="x" * (FIND_CHARACTERS_MAX + 1), replace_with=""), "find may have at most"),
        (
            Replacement(find="x", replace_with="y" * (WRITTEN_CHARACTERS_MAX + 1)),
            "replace_with may have at most",
        ),
        (Replacement(find="a", replace_with="b" * WRITTEN_CHARACTERS_MAX), "would stand there 2,000 times"),
    ],
)
def test_a_replacement_that_nobody_can_mean_is_refused(replacement: Replacement, problem: str) -> None:
    with pytest.raises(InvalidField, match=problem):
        replaced("a " * 2_000, replacement)


def test_the_longest_text_is_as_long_as_may_be_sent_and_no_longer() -> None:
    text, count = replaced("a " * 1_000, Replacement(find="a", replace_with="b" * 999))
    assert (len(text), count) == (TEXT_CHARACTERS_MAX, 1_000)


@pytest.mark.parametrize("whole_words", [True, False])
def test_what_is_looked_for_is_found_where_the_parts_of_a_long_text_meet(whole_words: bool) -> None:
    for before in range(PART_CHARACTERS - 5, PART_CHARACTERS + 5):
        text = " " * before + "Ann Anna"
        replacement = Replacement(find="Ann", replace_with="Sue", whole_words=whole_words)
        assert replaced(text, replacement) == (
            " " * before + ("Sue Anna" if whole_words else "Sue Suea"),
            1 if whole_words else 2,
        )
