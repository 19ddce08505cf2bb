"""How PostgreSQL parses a text: by its language where it knows that one's endings, and else word by word."""

from collections.abc import Collection, Mapping
from typing import Final

SIMPLE: Final = "simple"
_BY_LANGUAGE: Final[Mapping[str, str]] = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}


def configuration_of(language: str, known: Collection[str]) -> str:
    """One of those that the server knows, by the tag of the language."""
    name = _BY_LANGUAGE.get(language.partition("-")[0].lower(), SIMPLE)
    return name if name in known else SIMPLE
