"""Transcripts in passages: no word is lost, each has its time, and what is asked for is put as texts are."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.transcript import Segment, Word
from projections.passages import (
    CHARACTERS,
    CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    Alternative,
    cleaned,
    folded_of,
    passages_of,
    question_of,
)

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)
SEGMENTS = st.lists(st.lists(WORDS, min_size=1, max_size=60), max_size=12)


def segments_of(texts: Sequence[Sequence[str]]) -> list[Segment]:
    """Each word is said a second after the one before."""
    moment = 0
    segments = []
    for segment in texts:
        words = []
        for text in segment:
            words.append(Word(text=text, start_ms=moment, end_ms=moment + 900))
            moment += 1_000
        segments.append(Segment(words=tuple(words)))
    return segments


@given(SEGMENTS)
def test_no_sign_is_lost_and_none_is_added_but_spaces(texts: list[list[str]]) -> None:
    passages = list(passages_of(segments_of(texts)))
    said = "".join(cleaned(word) for segment in texts for word in segment)
    kept = "".join(passage.text for passage in passages)
    assert "".join(kept.split()) == "".join(said.split())
    assert all(len(passage.text) < CHARACTERS_MAX + WORD_CHARACTERS_MAX * 2 for passage in passages)


@given(SEGMENTS)
def test_a_passage_is_found_by_as_many_signs_as_it_has(texts: list[list[str]]) -> None:
    for passage in passages_of(segments_of(texts)):
        assert len(passage.words) == len(passage.text) == len(folded_of(passage.text))
        assert "\0" not in passage.text + passage.words + passage.signs
        places = [place for place, _ in passage.times]
        assert places == sorted(places)
        assert all(place < max(1, len(passage.text)) for place in places)


def test_each_word_has_its_time() -> None:
    [passage] = passages_of(segments_of([[" Good", " morning,"], [" everybody."]]))
    assert passage.text == "Good morning, everybody."
    assert [(passage.text[place:][:4], at) for place, at in passage.times] == [
        ("Good", 0),
        ("morn", 1_000),
        ("ever", 2_000),
    ]


def test_a_passage_ends_with_the_segment_that_fills_it() -> None:
    segment = [" word"] * (CHARACTERS // 10 + 1)
    passages = list(passages_of(segments_of([segment] * 5)))
    assert [len(passage.text.split()) for passage in passages] == [402, 402, 201]


def test_a_word_that_nobody_says_is_cut_and_a_segment_that_does_not_end_too() -> None:
    passages = list(passages_of(segments_of([["x" * 1_000], [" y"] * 100_000])))
    assert len(passages) > 10
    assert passages[0].times[:3] == [(0, 0), (200, 0), (400, 0)]


def test_no_passage_is_longer_for_one_long_word() -> None:
    passages = list(passages_of(segments_of([["가나다" * 20_000]])))
    assert max(len(passage.text) for passage in passages) == CHARACTERS_MAX
    assert "".join(passage.text for passage in passages) == "가나다" * 20_000


def test_signs_are_found_in_pairs_and_the_last_one_alone() -> None:
    [passage] = passages_of(segments_of([["今日", "は", " Python", "入", "門"]]))
    assert passage.text == "今日は Python入門"
    assert passage.words.split() == ["python"]
    assert passage.signs == "'今日':1 '日は':2 'は':3 '入門':5 '門':6"


@pytest.mark.parametrize(
    ("text", "words", "signs"),
    [
        ("Meeting BUDGET", "meeting budget", ""),
        ('"Ärger im Büro" -chef', '"ärger im büro" -chef', ""),
        ("会議", "", "('会議')"),
        ("会議室", "", "('会議' <-> '議室')"),
        ("会", "", "('会':*)"),
        ("Python -入門 会議", "python", "!('入門') & ('会議')"),
        ("ＡＢＣ", "abc", ""),
        ("회의", "", "('회의')"),
        ("A\u030arhus", "århus", ""),
        ("<b>x</b>\0", "b x /b", ""),
        ("東京-大阪", "", "('東京') & ('大阪')"),
        ("-Python入門", "-python", "!('入門')"),
        ('-"東京 tower"', '-"tower"', "!('東京')"),
        ("jazz - rock", "jazz rock", ""),
        ("wi-fi -lan", "wi-fi -lan", ""),
        ('"left open', '"left open"', ""),
        ("or blanc", "or blanc", ""),
        ("this or", "this or", ""),
    ],
)
def test_a_question_is_put_as_texts_are(text: str, words: str, signs: str) -> None:
    assert question_of(text).alternatives == [Alternative(words=words, signs=signs)]


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("fox or dog", [("fox", ""), ("dog", "")]),
        ("東京 OR 大阪", [("", "('東京')"), ("", "('大阪')")]),
        ("サウル or Seoul food", [("", "('サウ' <-> 'ウル')"), ("seoul food", "")]),
        ('"fox or dog"', [('"fox or dog"', "")]),
        ("a or or b", [("a", ""), ("or b", "")]),
    ],
)
def test_an_or_between_two_parts_the_question(text: str, alternatives: list[tuple[str, str]]) -> None:
    expected = [Alternative(words=words, signs=signs) for words, signs in alternatives]
    assert question_of(text).alternatives == expected


def test_what_is_not_to_be_there_is_not_shown() -> None:
    assert question_of("会議 -入門").runs == ["会議"]
