"""Edits: an edited text is exactly what was typed, and the words that stayed keep their times."""

from time import process_time
from unicodedata import combining

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.edits import CELL_MS, edit
from domain.tokens import tokens_of
from domain.transcript import Segment, Transcript, Word, transcript_of

VOCABULARY = ["the", "sea", "was", "calm", "and", "boats", "home", "He", "said:", "yes.", "No!"]


def spoken(*sentences: str, word_ms: int = 400, gap_ms: int = 50) -> Transcript:
    """A transcript in which every word lasts `word_ms` and a short gap follows it."""
    segments, now_ms = [], 0
    for sentence in sentences:
        words = []
        for text in sentence.split():
            words.append(Word(text=f" {text}", start_ms=now_ms, end_ms=now_ms + word_ms, probability=0.9))
            now_ms += word_ms + gap_ms
        segments.append(Segment(words=tuple(words)))
    return transcript_of(segments, language="en", duration_ms=now_ms + 1_000)


def timed(transcript: Transcript) -> list[tuple[str, int, int]]:
    return [(word.text.strip(), word.start_ms, word.end_ms) for word in transcript.words]


transcripts = st.lists(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=12).map(" ".join), max_size=6
).map(lambda sentences: spoken(*sentences))
texts = st.lists(st.sampled_from([*VOCABULARY, "\n", "ocean", "海", "—"]), max_size=60).map(" ".join)


def test_the_text_joins_the_segments() -> None:
    assert spoken("the sea was calm.", "the boats were home.").text == (
        "the sea was calm. the boats were home."
    )


def test_empty_segments_are_left_out() -> None:
    assert transcript_of([Segment(words=())], language="en", duration_ms=10).segments == ()


def test_the_same_text_changes_no_word() -> None:
    transcript = spoken("the sea was calm", "and the boats were home")
    assert edit(transcript, transcript.text) == transcript


def test_a_corrected_word_takes_the_time_of_the_word_it_replaced() -> None:
    edited = edit(spoken("the see was calm"), "the sea was calm")
    assert timed(edited) == [("the", 0, 400), ("sea", 450, 850), ("was", 900, 1300), ("calm", 1350, 1750)]
    assert [word.edited for word in edited.words] == [False, True, False, False]


def test_a_deleted_word_takes_its_time_with_it() -> None:
    edited = edit(spoken("the the sea was calm"), "the sea was calm")
    assert [start for _, start, _ in timed(edited)[1:]] == [900, 1350, 1800]


def test_inserted_words_share_the_silence_between_their_neighbours_by_width() -> None:
    heard = spoken("the sea was calm", gap_ms=900)
    edited = edit(heard, "the sea was so utterly calm")
    assert timed(edited)[3:5] == [("so", 3000, 3116), ("utterly", 3116, 3522)]
    assert [word.timing for word in edited.words] == ["heard"] * 3 + ["estimated"] * 2 + ["heard"]


def test_words_take_no_more_of_a_silence_than_they_need_to_be_read() -> None:
    heard = spoken("the sea", gap_ms=60_000)
    edited = edit(heard, "the calm sea")
    assert timed(edited)[1] == ("calm", 400, 400 + 4 * CELL_MS)


def test_words_that_replace_fewer_share_their_time() -> None:
    edited = edit(spoken("the see was calm"), "the open sea was calm")
    assert timed(edited)[1:3] == [("open", 450, 682), ("sea", 682, 856)]
    assert [word.timing for word in edited.words] == ["heard", "estimated", "estimated", "heard", "heard"]


def test_words_that_replace_as_many_take_their_times() -> None:
    edited = edit(spoken("to New York by boat"), "to San Francisco by boat")
    assert timed(edited)[1:3] == [("San", 450, 850), ("Francisco", 900, 1300)]
    assert {word.timing for word in edited.words} == {"heard"}


def test_words_after_the_last_take_of_the_silence_after_it() -> None:
    edited = edit(spoken("the sea"), "the sea was calm")
    assert timed(edited)[2:] == [
        ("was", 850, 850 + 3 * CELL_MS),
        ("calm", 850 + 3 * CELL_MS, 850 + 7 * CELL_MS),
    ]


def test_what_is_written_together_but_heard_in_pieces_stays_as_it_was_heard() -> None:
    pieces = (
        Word(text=" a", start_ms=0, end_ms=90, probability=0.9),
        Word(text=" transformer", start_ms=100, end_ms=700, probability=0.8),
        Word(text="-based", start_ms=700, end_ms=1_000, probability=0.7),
        Word(text=" modle", start_ms=1_100, end_ms=1_500, probability=0.3),
    )
    transcript = transcript_of([Segment(words=pieces)], language="en", duration_ms=2_000)
    edited = list(edit(transcript, "a transformer-based model").words)
    assert edited[1:3] == list(pieces[1:3])
    assert [word.edited for word in edited] == [False, False, False, True]


def test_a_changed_compound_takes_the_time_of_all_its_pieces() -> None:
    pieces = (
        Word(text=" transformer", start_ms=100, end_ms=700),
        Word(text="-based", start_ms=700, end_ms=1_000),
    )
    transcript = transcript_of([Segment(words=pieces)], language="en", duration_ms=2_000)
    assert timed(edit(transcript, "Transformer-based!")) == [("Transformer-based!", 100, 1_000)]


def test_a_word_of_several_signs_stays_whole_while_nobody_changes_it() -> None:
    words = (
        Word(text="你好，", start_ms=0, end_ms=300, probability=0.9),
        Word(text="世界", start_ms=300, end_ms=700, probability=0.9),
    )
    transcript = transcript_of([Segment(words=words)], language="zh", duration_ms=1_000)
    assert list(edit(transcript, "你好，世间").words) == [
        words[0],
        Word(text="世", start_ms=300, end_ms=500, edited=True, timing="estimated"),
        Word(text="间", start_ms=500, end_ms=700, edited=True, timing="estimated"),
    ]


def test_thai_is_aligned_sign_by_sign_and_no_sign_is_parted() -> None:
    heard = "สวัสดีครับ"
    words = tuple(
        Word(text=token, start_ms=100 * at, end_ms=100 * at + 100)
        for at, token in enumerate(tokens_of(heard))
    )
    transcript = transcript_of([Segment(words=words)], language="th", duration_ms=2_000)
    edited = list(edit(transcript, "สวัสดีค่ะ").words)
    assert edited[:4] == list(words[:4])
    assert "".join(word.text for word in edited) == "สวัสดีค่ะ"
    assert all(not combining(word.text[0]) for word in edited)


def test_a_word_before_the_first_stands_at_the_first() -> None:
    edited = edit(spoken("sea was calm"), "The sea was calm")
    assert timed(edited)[:2] == [("The", 0, 0), ("sea", 0, 400)]


def test_punctuation_and_case_do_not_cost_a_word_its_time() -> None:
    edited = edit(spoken("the sea was calm"), "The sea -- was calm!")
    assert timed(edited)[0] == ("The", 0, 400)
    assert timed(edited)[-1] == ("calm!", 1350, 1750)


def test_words_keep_their_segment() -> None:
    edited = edit(spoken("the sea was calm", "and boats"), "the sea is calm and the boats")
    assert [segment.text for segment in edited.segments] == ["the sea is calm", "and the boats"]


def test_text_for_a_silent_recording_spans_it_all() -> None:
    silent = transcript_of([], language="en", duration_ms=5_000)
    assert timed(edit(silent, "nothing")) == [("nothing", 0, 5_000)]


def test_scripts_without_spaces_are_aligned_sign_by_sign() -> None:
    words = tuple(
        Word(text=sign, start_ms=i * 100, end_ms=i * 100 + 90) for i, sign in enumerate("海很平静")
    )
    transcript = transcript_of([Segment(words=words)], language="zh", duration_ms=1_000)
    assert timed(edit(transcript, "海不平静"))[2:] == [("平", 200, 290), ("静", 300, 390)]


@given(transcripts, texts)
def test_an_edited_transcript_says_exactly_the_text(transcript: Transcript, text: str) -> None:
    edited = edit(transcript, text)
    assert edited.text == text
    assert [word.text.strip() for word in edited.words] == text.replace("海", " 海 ").split()


@given(transcripts, texts)
def test_only_times_that_are_marked_as_estimated_are_made_up(transcript: Transcript, text: str) -> None:
    heard = {(word.start_ms, word.end_ms) for word in transcript.words}
    for word in edit(transcript, text).words:
        assert word.timing == "estimated" or (word.start_ms, word.end_ms) in heard
        assert word.timing == "heard" or word.edited


@given(transcripts, texts)
def test_words_that_nobody_changed_are_those_that_were_heard(transcript: Transcript, text: str) -> None:
    heard = {replace(word, text=word.text.strip()) for word in transcript.words}
    for word in edit(transcript, text).words:
        assert word.edited or replace(word, text=word.text.strip()) in heard


@given(transcripts, st.integers(0, 80), st.sampled_from(["ocean", "海", "the"]))
def test_one_word_more_leaves_all_others_as_they_were(transcript: Transcript, at: int, typed: str) -> None:
    words = transcript.text.split()
    text = " ".join([*words[:at], typed, *words[at:]])
    kept = [word for word in edit(transcript, text).words if not word.edited]
    assert [replace(word, text="") for word in kept] == [
        replace(word, text="") for word in transcript.words
    ]


@given(transcripts, texts)
def test_times_of_an_edited_transcript_never_run_backwards(transcript: Transcript, text: str) -> None:
    moments = [moment for word in edit(transcript, text).words for moment in (word.start_ms, word.end_ms)]
    assert moments == sorted(moments)


def test_the_time_of_an_edit_grows_with_the_text_and_no_faster() -> None:
    """As many words are changed in both: eight times the text may take 24 times as long, where a square would be 64."""

    def seconds(sentences: int) -> float:
        transcript = spoken(*["the sea was calm and the boats were home again"] * sentences)
        text = transcript.text.split()
        text[: 10 * sentences : sentences // 4] = ["ocean"] * 40
        began = process_time()
        edit(transcript, " ".join(text))
        return process_time() - began

    assert min(seconds(4_000) for _ in range(3)) < 24 * min(seconds(500) for _ in range(3))
