"""What a Whisper model is told before it listens, and what it calls languages."""

import pytest

from domain.errors import LanguageUnsupported
from domain.instructions import Instructions
from inference_worker.engines.languages import abilities_of, context_of, whisper_code_of


def words(text: str) -> int:
    """Tokens, where every word is one."""
    return len(text.split())


def test_names_come_before_the_prompt_which_is_nearest_to_what_is_said() -> None:
    asked = Instructions(prompt="Minutes of the board.", vocabulary=("Szczecin", "Anna Nowak"))
    assert context_of(asked, words) == "Szczecin, Anna Nowak. Minutes of the board."
    assert context_of(Instructions(vocabulary=("Szczecin",)), words) == "Szczecin."
    assert context_of(Instructions(), words) is None


def test_what_is_too_much_for_the_model_is_cut_and_leaves_room_for_what_is_said() -> None:
    prompt = " ".join(f"p{number}" for number in range(500))
    names = tuple(f"n{number}" for number in range(200))
    alone = context_of(Instructions(prompt=prompt), words)
    both = context_of(Instructions(prompt=prompt, vocabulary=names), words)
    assert alone is not None
    assert both is not None
    assert (words(alone), alone.endswith("p498 p499")) == (223, True)
    assert (words(both), both.startswith("n0, n1,"), both.endswith("p499")) == (223, True, True)


def test_a_language_is_found_under_the_name_the_model_has_for_it() -> None:
    codes = ["en", "jw", "no", "pt", "zh"]
    tags = ["en-GB", "jv", "nb", "pt-BR", "cmn-Hans"]
    assert [whisper_code_of(tag, codes) for tag in tags] == codes
    with pytest.raises(LanguageUnsupported, match="it has en, jv, no, pt, zh"):
        whisper_code_of("de", codes)


def test_an_english_model_only_writes_down() -> None:
    english, many = abilities_of(["en"]), abilities_of(["en", "jw"])
    assert (english.only_english, english.translates) == (True, False)
    assert (many.languages, many.translates) == (("en", "jv"), True)
