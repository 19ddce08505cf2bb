"""Transcripts: an edited text is exactly what was typed, and the words that stayed keep their times."""

from hypothesis import given
from hypothesis import strategies as st

from domain.transcript import Segment, Transcript, Word, edit, transcript_of

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


def test_an_inserted_word_has_no_time_of_its_own() -> None:
    edited = edit(spoken("the sea was calm"), "the sea was very calm")
    assert ("very", 1300, 1300) in timed(edited)


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
def test_an_edit_invents_no_time(transcript: Transcript, text: str) -> None:
    real = {0, transcript.duration_ms}
    real |= {moment for word in transcript.words for moment in (word.start_ms, word.end_ms)}
    for word in edit(transcript, text).words:
        assert {word.start_ms, word.end_ms} <= real


@given(transcripts, texts)
def test_times_of_an_edited_transcript_never_run_backwards(transcript: Transcript, text: str) -> None:
    moments = [moment for word in edit(transcript, text).words for moment in (word.start_ms, word.end_ms)]
    assert moments == sorted(moments)
