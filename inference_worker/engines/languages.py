"""Which languages a Whisper model knows, under their present names, and what it is told in its prompt."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from domain.errors import LanguageUnsupported
from domain.instructions import Instructions
from domain.languages import Abilities, language_tag_of, spoken_language_of

PROMPT_TOKENS_MAX: Final = 223
"""Half of what Whisper's decoder holds, which is what the words of half a minute leave free (faster-whisper, get_prompt)."""
PROMPT_SHARE_TOKENS_MAX: Final = 111
"""Of them for the prompt, when there is a vocabulary too."""

Tokens = Callable[[str], int]
"""How many tokens a text is."""


def abilities_of(whisper_codes: Collection[str]) -> Abilities:
    """English models only write down; all others also translate."""
    languages = sorted(map(present_name_of, whisper_codes))
    return Abilities(languages=tuple(languages), translates=len(languages) > 1)


def present_name_of(code: str) -> str:
    return language_tag_of(code) or code


def whisper_code_of(language: str, whisper_codes: Collection[str]) -> str:
    """What the model calls a language: `pt-BR` is `pt` there, `jv` is `jw`. Raises LanguageUnsupported."""
    codes = {present_name_of(code): code for code in whisper_codes}
    spoken = spoken_language_of(language, codes)
    if spoken is None:
        raise LanguageUnsupported(language, tuple(codes))
    return codes[spoken]


def context_of(instructions: Instructions, tokens_of: Tokens) -> str | None:
    """What the decoder is to have in mind, in every half minute: as much as it has room for.

    Both ends count: of the prompt its end, which is nearest to the recording; of the vocabulary its beginning.
    """
    terms, prompt = instructions.vocabulary, instructions.prompt
    room = PROMPT_SHARE_TOKENS_MAX if terms else PROMPT_TOKENS_MAX
    prompt = _end_of(prompt, room, tokens_of)
    listed = _as_many(terms, PROMPT_TOKENS_MAX - tokens_of(f" {prompt}"), tokens_of)
    return " ".join(filter(None, [listed, prompt])) or None


def _end_of(text: str, room: int, tokens_of: Tokens) -> str:
    words = text.split()
    while words and tokens_of(" " + " ".join(words)) > room:
        del words[0]
    return " ".join(words)


def _as_many(terms: Sequence[str], room: int, tokens_of: Tokens) -> str:
    kept = list(terms)
    while kept and tokens_of(f" {', '.join(kept)}.") > room:
        del kept[-1]
    return f"{', '.join(kept)}." if kept else ""
