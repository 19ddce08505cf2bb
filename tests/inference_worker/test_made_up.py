"""Words that nobody can have said are told from words that somebody did."""

from msgspec.structs import replace

from domain.transcript import Segment, Word
from inference_worker.engines.made_up import is_made_up, without_made_up


def words(text: str, *, each_ms: int = 300, probability: float = 0.9) -> list[Word]:
    return [
        Word(text=f" {said}", start_ms=at * each_ms, end_ms=(at + 1) * each_ms, probability=probability)
        for at, said in enumerate(text.split())
    ]


def all_voice(start_ms: int, end_ms: int) -> int:
    return end_ms - start_ms


def no_voice(_start_ms: int, _end_ms: int) -> int:
    return 0


def test_an_unsure_phrase_without_a_voice_under_it_is_made_up() -> None:
    assert is_made_up(words("Thank you for watching.", probability=0.4), no_voice)


def test_an_unsure_phrase_over_a_voice_stays() -> None:
    assert not is_made_up(words("mumbled far away", probability=0.2), all_voice)


def test_a_sure_phrase_stays_where_the_voice_detector_hears_little() -> None:
    assert not is_made_up(words("Bill Turner, I'm from St. Cloud"), no_voice)


def test_a_loop_faster_than_anybody_speaks_is_made_up() -> None:
    assert is_made_up(words("so the so the so the", each_ms=20), all_voice)


def test_what_somebody_says_three_times_stays() -> None:
    assert not is_made_up(words("No! no, no."), all_voice)


def test_many_words_over_little_voice_stay_unless_they_repeat() -> None:
    assert not is_made_up(words("How did he not know that?", each_ms=20), all_voice)


def test_one_word_that_nobody_said_spoils_a_phrase_at_the_end_of_voice() -> None:
    thank, you = words("Thank you.")
    phrase = [replace(thank, probability=0.02), replace(you, probability=0.99)]
    assert is_made_up(phrase, lambda start_ms, end_ms: (end_ms - start_ms) // 3)
    assert not is_made_up(phrase, all_voice)


def test_an_echo_of_the_sentence_beside_it_that_nobody_has_time_for_is_left_out() -> None:
    said = Segment(words=tuple(words("Good morning, and thank you for coming.")))
    echo = Segment(words=tuple(words("Good morning and thank you for coming", each_ms=20)))
    other = Segment(words=tuple(words("It is a long story though", each_ms=20)))
    assert without_made_up([echo, said], all_voice) == [said]
    assert without_made_up([said, echo], all_voice) == [said]
    assert without_made_up([said, said], all_voice) == [said, said]
    assert without_made_up([said, other], all_voice) == [said, other]
