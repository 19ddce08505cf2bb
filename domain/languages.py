"""Names of languages: BCP 47 tags (RFC 5646) in their one spelling, and what a model can be asked for."""

import re
from collections.abc import Collection
from typing import Final

from msgspec import Struct

TAG_CHARACTERS_MAX: Final = 35
"""What RFC 5646 (4.4.1) asks everybody to have room for."""
ENGLISH: Final = "en"

_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_REPLACED: Final = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro"}
"""By the IANA registry's Preferred-Value; some models still use the old ones."""
_ALSO_KNOWN_AS: Final = {"nb": "no", "cmn": "zh", "fil": "tl"}
"""Languages that models know under the name of a larger one (RFC 5646 3.1.1: macrolanguages)."""


def language_tag_of(text: str) -> str | None:
    """The tag as it is written: `PT-br` is `pt-BR`, `zh-hans` is `zh-Hans`. None when it is no tag."""
    if len(text) > TAG_CHARACTERS_MAX or not _TAG.fullmatch(text):
        return None
    language, *others = text.lower().split("-")
    return "-".join([_REPLACED.get(language, language), *map(_spelled, others)])


def _spelled(subtag: str) -> str:
    """RFC 5646 2.1.1: regions in capitals, scripts with one, everything else small."""
    if not subtag.isalpha():
        return subtag
    return {2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag)


def spoken_language_of(tag: str, known: Collection[str]) -> str | None:
    """Which of the known languages a tag means: `pt-BR` is `pt`, `nb` is `no` where only that is known."""
    language = (language_tag_of(tag) or tag).partition("-")[0]
    return next((name for name in (language, _ALSO_KNOWN_AS.get(language)) if name in known), None)


class Abilities(Struct, frozen=True, kw_only=True):
    """What an engine's model can do; without `languages` it cannot tell which it knows.

    `detects` is whether it can do without being told the language, `aligns` whether it finds words in sound that it is told.
    """

    languages: tuple[str, ...] = ()
    translates: bool = True
    detects: bool = True
    takes_prompt: bool = True
    aligns: bool = False

    @property
    def only_english(self) -> bool:
        return self.languages == (ENGLISH,)


def shared_abilities(of_workers: Collection[Abilities]) -> Abilities:
    """What every one of them can do, since a job may come to any; those that cannot tell count for nothing."""
    telling = [set(each.languages) for each in of_workers if each.languages]
    languages = set.intersection(*telling) if telling else set[str]()
    return Abilities(
        languages=tuple(sorted(languages)),
        translates=all(each.translates for each in of_workers),
        detects=all(each.detects for each in of_workers),
        takes_prompt=all(each.takes_prompt for each in of_workers),
    )
