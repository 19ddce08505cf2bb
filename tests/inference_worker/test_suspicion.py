"""What was heard among other chunks is trusted only where it looks like what is heard alone."""

from domain.transcript import Word
from inference_worker.engines.suspicion import Hearing, is_suspicious, usual_rate

SENTENCE = (
    "the ships of the morning came slowly around the grey head of the pier and tied up where old men "
    "had been waiting for fish since before anybody in the harbour was awake"
)


def hearing(
    text: str = SENTENCE, *, seconds: float = 12.0, log_probability: float | None = -0.3
) -> Hearing:
    words = [Word(text=f" {each}", start_ms=0, end_ms=0, probability=0.9) for each in text.split()]
    return Hearing(words=words, log_probability=log_probability, voiced_ms=round(seconds * 1000))


def test_speech_at_a_speakers_pace_is_trusted() -> None:
    assert not is_suspicious(hearing(), usual=2.7)


def test_a_chunk_that_lost_its_words_is_suspicious_however_sure_the_model_is() -> None:
    """Sixteen words where there were fifty-four: mean log probability -0.25."""
    lost = hearing(" ".join(SENTENCE.split()[:16]), seconds=30.0, log_probability=-0.25)
    assert is_suspicious(lost, usual=0.0)


def test_a_chunk_with_far_fewer_words_than_its_neighbours_is_suspicious() -> None:
    slow = hearing(seconds=24.0)
    assert not is_suspicious(slow, usual=0.0)
    assert is_suspicious(slow, usual=3.0)


def test_one_who_always_speaks_slowly_is_trusted() -> None:
    assert not is_suspicious(hearing(seconds=24.0), usual=1.4)


def test_voice_without_any_word_is_suspicious_and_a_sigh_is_not() -> None:
    assert is_suspicious(hearing("", seconds=5.0, log_probability=None), usual=0.0)
    assert not is_suspicious(hearing("", seconds=0.9, log_probability=None), usual=2.0)


def test_more_words_than_anybody_can_say_are_suspicious() -> None:
    """What a model makes of a sound that is no word."""
    assert is_suspicious(hearing("Thank you.", seconds=0.064), usual=0.0)
    assert is_suspicious(hearing(seconds=2.0), usual=0.0)
    assert not is_suspicious(hearing("Thank you.", seconds=0.5), usual=0.0)


def test_a_loop_is_suspicious() -> None:
    assert is_suspicious(hearing(SENTENCE + " in the end in the end in the end"), usual=0.0)


def test_a_text_that_repeats_itself_without_looping_is_suspicious() -> None:
    repeated = " and then ".join([SENTENCE, SENTENCE + " so", SENTENCE + " there", SENTENCE + " here"])
    assert is_suspicious(hearing(repeated, seconds=50.0), usual=0.0)
    assert not is_suspicious(hearing(SENTENCE, seconds=12.0), usual=0.0)


def test_a_model_that_doubts_itself_is_suspicious() -> None:
    assert is_suspicious(hearing(log_probability=-1.1), usual=0.0)
    assert not is_suspicious(hearing(log_probability=-0.9), usual=0.0)


def test_nothing_is_usual_until_there_are_three_chunks() -> None:
    assert usual_rate([hearing(), hearing()]) == 0.0
    assert usual_rate([hearing(seconds=10.0), hearing(seconds=16.5), hearing("", seconds=16.0)]) == 2.0


def test_a_chunk_with_hardly_any_voice_says_nothing_about_what_is_usual() -> None:
    assert usual_rate([hearing(), hearing(), hearing("yes", seconds=0.4)]) == 0.0
