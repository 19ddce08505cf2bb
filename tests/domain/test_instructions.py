"""What a client may ask of an engine, and what becomes of it."""

import pytest

from domain.errors import (
    InvalidField,
    LanguageRequired,
    LanguageUnsupported,
    PromptUnsupported,
    TranslationUnsupported,
)
from domain.instructions import Instructions, instructions_of, require_able
from domain.languages import Abilities, language_tag_of, shared_abilities, spoken_language_of
from domain.personal import personal_fields
from domain.transcription_events import Job

ENGLISH_ONLY = Abilities(languages=("en",), translates=False)
WHISPER = Abilities(languages=("de", "en", "fr", "jv", "no", "zh"))


def asked(language: str | None = None, prompt: str = "", vocabulary: tuple[str, ...] = ()) -> Instructions:
    return instructions_of(language=language, task="transcribe", prompt=prompt, vocabulary=vocabulary)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("EN", "en"),
        ("pt-br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("sl-ROZAJ", "sl-rozaj"),
        ("es-419", "es-419"),
        ("iw", "he"),
        ("jw", "jv"),
        ("haw", "haw"),
    ],
)
def test_a_language_has_one_spelling(text: str, tag: str) -> None:
    assert language_tag_of(text) == tag
    assert asked(text).language == tag


@pytest.mark.parametrize(
    "text",
    ["", " ", "e", "german", "en_US", "en-", "-en", "en--US", "de DE", "dé", "en-\n", "und", "x" * 99],
)
def test_what_is_no_language_tag_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="language has to be a BCP 47 tag like en") as refused:
        asked(text)
    assert refused.value.field == "language"


def test_a_prompt_is_one_line() -> None:
    assert asked(prompt="  Minutes of the board,\r\n\tStettin ").prompt == "Minutes of the board, Stettin"


def test_terms_are_kept_once_and_in_their_order() -> None:
    assert asked(vocabulary=("Szczecin", " Anna\tNowak", "Szczecin")).vocabulary == (
        "Szczecin",
        "Anna Nowak",
    )


@pytest.mark.parametrize(
    ("prompt", "vocabulary", "problem"),
    [
        ("x" * 1_001, (), "prompt has 1001 characters: send at most 1000"),
        ("a\0b", (), "prompt has control characters: send text alone"),
        ("", ("x",) * 201, "vocabulary has 201 terms: send at most 200"),
        ("", ("fine", "x" * 101), "vocabulary term 2 has 101 characters: send at most 100"),
        ("", ("fine", " "), "vocabulary term 2 is empty: leave it out"),
        ("", ("\x1b[1m",), "vocabulary term 1 has control characters: send text alone"),
    ],
)
def test_too_much_and_what_is_no_text_is_refused_without_repeating_it(
    prompt: str, vocabulary: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        asked(prompt=prompt, vocabulary=vocabulary)
    assert str(refused.value) == problem


def test_a_language_that_no_model_has_is_refused_with_those_it_has() -> None:
    with pytest.raises(LanguageUnsupported, match="the language ja: it has de, en, fr, jv, no, zh"):
        require_able(Instructions(language="ja"), WHISPER)
    for known in ("en", "en-GB", "zh-Hant", "nb-NO", "jw", None):
        require_able(Instructions(language=known), WHISPER)


def test_an_english_model_takes_english_alone_and_translates_nothing() -> None:
    require_able(Instructions(language="en-US"), ENGLISH_ONLY)
    with pytest.raises(LanguageUnsupported):
        require_able(Instructions(language="de"), ENGLISH_ONLY)
    with pytest.raises(TranslationUnsupported, match="cannot translate: leave task out"):
        require_able(Instructions(task="translate"), ENGLISH_ONLY)


def test_a_model_that_cannot_detect_has_to_be_told_the_language() -> None:
    told_only = Abilities(languages=("en", "de"), detects=False)
    require_able(Instructions(language="de-AT"), told_only)
    with pytest.raises(LanguageRequired, match="send language, one of de, en"):
        require_able(Instructions(), told_only)


def test_a_model_that_takes_no_prompt_says_what_it_does_take() -> None:
    deaf = Abilities(takes_prompt=False)
    require_able(Instructions(vocabulary=("Anna",)), deaf)
    with pytest.raises(PromptUnsupported, match="send names and terms as vocabulary"):
        require_able(Instructions(prompt="A meeting."), deaf)


def test_where_nothing_is_known_of_the_model_everything_is_taken() -> None:
    require_able(Instructions(language="tlh", task="translate", prompt="x"), shared_abilities([]))


def test_only_what_every_worker_can_do_is_promised() -> None:
    shared = shared_abilities([WHISPER, ENGLISH_ONLY, Abilities()])
    assert (shared.languages, shared.translates, shared.only_english) == (("en",), False, True)
    assert (shared.detects, shared.takes_prompt) == (True, True)
    riva = Abilities(detects=False, takes_prompt=False)
    shared = shared_abilities([WHISPER, riva])
    assert (shared.detects, shared.takes_prompt) == (False, False)


def test_a_larger_language_stands_in_for_one_that_is_not_known() -> None:
    assert spoken_language_of("nb", {"no", "nn"}) == "no"
    assert spoken_language_of("nb", {"no", "nb"}) == "nb"
    assert spoken_language_of("xx", {"no"}) is None


def test_prompt_and_vocabulary_are_marked_personal() -> None:
    assert personal_fields(Job) == personal_fields(Instructions) == {"prompt", "vocabulary"}
