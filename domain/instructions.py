"""How a recording is to be transcribed, as its owner asked."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias
from unicodedata import category

from msgspec import Struct

from domain.errors import (
    InvalidField,
    LanguageRequired,
    LanguageUnsupported,
    PromptUnsupported,
    TranslationUnsupported,
)
from domain.languages import Abilities, language_tag_of, spoken_language_of
from domain.personal import MARK, PersonalText

Task: TypeAlias = Literal["transcribe", "translate"]
Vocabulary: TypeAlias = Annotated[tuple[str, ...], MARK]

PROMPT_CHARACTERS_MAX: Final = 1_000
TERMS_MAX: Final = 200
TERM_CHARACTERS_MAX: Final = 100
_CONTROLS: Final = frozenset({"Cc", "Cs"})
"""Not Cf, the joiners that Persian, Hindi and emoji are spelled with, nor Cn, the signs of a later Unicode."""


class Instructions(Struct, frozen=True, kw_only=True):
    """What an engine is told about the speech.

    `language` is a BCP 47 tag (None: it is to be detected); to translate means into English. `prompt` is text as it
    might come before the recording, `vocabulary` are names and terms that may be spoken in it: both may name people.
    """

    language: str | None = None
    task: Task = "transcribe"
    prompt: PersonalText = ""
    vocabulary: Vocabulary = ()


def instructions_of(
    *, language: str | None, task: Task, prompt: str, vocabulary: Sequence[str]
) -> Instructions:
    """What a client asks for, in its one form. Raises InvalidField; no message repeats prompt or vocabulary."""
    if len(vocabulary) > TERMS_MAX:
        raise InvalidField("vocabulary", f"has {len(vocabulary)} terms: send at most {TERMS_MAX}")
    terms = [_term(number, term) for number, term in enumerate(vocabulary, start=1)]
    return Instructions(
        language=_language(language),
        task=task,
        prompt=_line("prompt", "", prompt, PROMPT_CHARACTERS_MAX),
        vocabulary=tuple(dict.fromkeys(terms)),
    )


def require_able(instructions: Instructions, abilities: Abilities) -> None:
    """Raises LanguageUnsupported, LanguageRequired, TranslationUnsupported or PromptUnsupported."""
    language, known = instructions.language, abilities.languages
    if known and language is not None and spoken_language_of(language, known) is None:
        raise LanguageUnsupported(language, known)
    if instructions.task == "translate" and not abilities.translates:
        raise TranslationUnsupported
    if language is None and not abilities.detects:
        raise LanguageRequired(known)
    if instructions.prompt and not abilities.takes_prompt:
        raise PromptUnsupported


def _language(language: str | None) -> str | None:
    if language is None:
        return None
    tag = language_tag_of(language)
    if tag is None or tag == "und":
        raise InvalidField(
            "language", "has to be a BCP 47 tag like en, pt-BR or zh-Hant; leave it out to have it detected"
        )
    return tag


def _term(number: int, term: str) -> str:
    line = _line("vocabulary", f"term {number} ", term, TERM_CHARACTERS_MAX)
    if not line:
        raise InvalidField("vocabulary", f"term {number} is empty: leave it out")
    return line


def _line(field: str, part: str, text: str, characters_max: int) -> str:
    """Without line breaks and double spaces, which mean nothing here."""
    line = " ".join(text.split())
    if len(line) > characters_max:
        raise InvalidField(
            field, f"{part}has {len(line)} characters: send at most {characters_max}".strip()
        )
    if any(category(sign) in _CONTROLS for sign in line):
        raise InvalidField(field, f"{part}has control characters: send text alone")
    return line
