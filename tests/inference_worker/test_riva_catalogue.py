"""What a Riva server can do is read from its list of models, and languages are asked for in its own codes."""

import pytest
from riva.client.proto import riva_asr_pb2 as proto

from domain.errors import LanguageRequired, LanguageUnsupported
from domain.languages import Abilities
from inference_worker.engines.riva.catalogue import Asked, Catalogue, models_in
from inference_worker.faults import Misfit


def catalogue(*models: tuple[str, dict[str, str]], wanted: str = "") -> Catalogue:
    answer = proto.RivaSpeechRecognitionConfigResponse()
    for name, parameters in models:
        answer.model_config.add(model_name=name, parameters=parameters)
    return Catalogue(models_in(answer, wanted))


def model(codes: str, kind: str = "offline", name: str = "model") -> tuple[str, dict[str, str]]:
    return name, {"language_code": codes, "type": kind}


EUROPE = catalogue(model("en-GB"), model("en-US"), model("de-DE", "online"), model("pt-BR, nb-NO"))


def test_languages_are_told_as_those_of_other_engines_are() -> None:
    assert EUROPE.abilities == Abilities(
        languages=("de", "en", "nb", "pt"), translates=False, detects=False, takes_prompt=False
    )


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("en", "en-GB"),
        ("en-US", "en-US"),
        ("en-AU", "en-GB"),
        ("pt", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("nb", "nb-NO"),
    ],
)
def test_a_language_is_asked_for_in_the_servers_code(language: str, code: str) -> None:
    assert EUROPE.asked(language) == Asked(code=code, offline=True)


def test_a_language_that_only_a_streaming_model_knows_is_streamed() -> None:
    assert EUROPE.asked("de-AT") == Asked(code="de-DE", offline=False)


def test_an_offline_model_is_preferred_to_a_streaming_one() -> None:
    both = catalogue(model("en-US", "online"), model("en-US", "offline"))
    assert both.asked("en").offline
    assert (
        catalogue(("m", {"language_code": "en", "streaming": "true", "offline": "true"}))
        .asked("en")
        .offline
    )
    assert not catalogue(("m", {"language_code": "en", "streaming": "true"})).asked("en").offline


def test_a_language_that_no_model_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(LanguageUnsupported, match="ja: it has de, en, nb, pt"):
        EUROPE.asked("ja")


def test_among_several_languages_somebody_has_to_say_which_one_it_is() -> None:
    with pytest.raises(LanguageRequired, match="one of de, en, nb, pt"):
        EUROPE.asked(None)


def test_a_single_language_need_not_be_told() -> None:
    english = catalogue(model("en-US"))
    assert (english.asked(None).code, english.abilities.detects) == ("en-US", True)
    assert english.abilities.only_english


def test_a_model_that_detects_is_asked_to_and_still_takes_what_it_is_told() -> None:
    multilingual = catalogue(model("multi,en-US,fr-FR"))
    assert (multilingual.asked(None).code, multilingual.asked("fr").code) == ("multi", "fr-FR")
    assert multilingual.abilities.languages == ("en", "fr")


def test_a_model_that_lists_nothing_but_that_it_detects_is_always_asked_to() -> None:
    silent = catalogue(model("multi"))
    assert (silent.asked("fr").code, silent.abilities.languages) == ("multi", ())


def test_only_the_model_of_the_settings_counts() -> None:
    german = catalogue(model("en-US", name="a"), model("de-DE", name="b"), wanted="b")
    assert german.abilities.languages == ("de",)
    with pytest.raises(Misfit, match="STENOLOG_RIVA_MODEL: the server has no model c: it has a, b"):
        catalogue(model("en-US", name="a"), model("de-DE", name="b"), wanted="c")


def test_a_server_without_models_for_speech_is_a_wrong_address() -> None:
    with pytest.raises(Misfit, match="STENOLOG_RIVA_ADDRESS: the server there has no model"):
        catalogue()
    with pytest.raises(Misfit, match=r"STENOLOG_RIVA_ADDRESS: the models .* name no language"):
        catalogue(("m", {"type": "offline"}))
