"""The models that a Riva server has: which languages they know, and how they want to be asked."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from domain.errors import LanguageRequired, LanguageUnsupported
from domain.languages import Abilities, language_tag_of, spoken_language_of
from inference_worker.faults import Misfit

MULTI: Final = "multi"
"""What Riva calls the language of a model that finds out itself what is spoken."""


class Model(Struct, frozen=True, kw_only=True):
    """`codes` are its languages as Riva has them, `en-US`; streaming models hear what comes in piece by piece."""

    name: str
    codes: tuple[str, ...]
    offline: bool


class Asked(Struct, frozen=True, kw_only=True):
    """How a language is asked for."""

    code: str
    offline: bool


def models_in(answer: Any, wanted: str) -> Sequence[Model]:
    """The models that may be asked; only `wanted` where it names one. Raises Misfit when there is none."""
    found = [_model(each.model_name, each.parameters) for each in answer.model_config]
    if not found:
        raise Misfit("STENOLOG_RIVA_ADDRESS: the server there has no model for speech recognition")
    usable = [each for each in found if wanted in ("", each.name)]
    if not usable:
        has = ", ".join(sorted({each.name for each in found}))
        raise Misfit(f"STENOLOG_RIVA_MODEL: the server has no model {wanted}: it has {has}")
    if not any(each.codes for each in usable):
        raise Misfit("STENOLOG_RIVA_ADDRESS: the models of the server there name no language")
    return usable


def _model(name: str, parameters: Mapping[str, str]) -> Model:
    codes = re.split(r"[\s,;]+", parameters.get("language_code", ""))
    streams = parameters.get("type") in ("online", "streaming") or (
        "type" not in parameters
        and parameters.get("streaming") == "true"
        and parameters.get("offline") != "true"
    )
    return Model(name=name, codes=tuple(filter(None, codes)), offline=not streams)


class Catalogue:
    """Of all usable models together."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = models
        self._detects = any(MULTI in each.codes for each in models)
        self._codes = _by_language(code for model in models for code in model.codes if code != MULTI)
        self.abilities = Abilities(
            # Who lists nothing else but that it detects says nothing about what.
            languages=tuple(sorted(self._codes)),
            translates=False,
            detects=self._detects or len(self._codes) <= 1,
            takes_prompt=False,
        )

    def asked(self, language: str | None) -> Asked:
        """Raises LanguageUnsupported or LanguageRequired."""
        code = self._code_of(language)
        return Asked(code=code, offline=any(each.offline and code in each.codes for each in self._models))

    def _code_of(self, language: str | None) -> str:
        if language is None:
            return self._unasked()
        spoken = spoken_language_of(language, self._codes)
        if spoken is None:
            if self._detects and not self._codes:
                return MULTI
            raise LanguageUnsupported(language, tuple(self._codes))
        codes = self._codes[spoken]
        return next((code for code in codes if language_tag_of(code) == language), codes[0])

    def _unasked(self) -> str:
        if self._detects:
            return MULTI
        if len(self._codes) != 1:
            raise LanguageRequired(tuple(self._codes))
        return next(iter(self._codes.values()))[0]


def _by_language(codes: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """`en-US` and `en-GB` are codes of `en`, in the server's order."""
    found: dict[str, list[str]] = {}
    for code in dict.fromkeys(codes):
        found.setdefault((language_tag_of(code) or code).partition("-")[0], []).append(code)
    return found
