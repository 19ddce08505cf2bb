"""The fields of OpenAI's requests: what they mean here, and which are refused by name."""

import pytest

from api.openai_audio.described import FIELDS
from api.openai_audio.form import TRANSCRIBED_FIELDS, Asked, asked_of, form_of
from api.openai_audio.refusals import UnknownParameter, UnsupportedParameter
from api.uploads import Field
from domain.errors import InvalidField
from domain.instructions import Instructions, Task

SENT = tuple[str, str]


def asked(*sent: SENT, task: Task = "transcribe", model: str = "whisper-1") -> Asked:
    return asked_of([Field("model", model), *(Field(*each) for each in sent)], task)


def test_who_sends_a_model_alone_gets_json_with_the_language_detected() -> None:
    assert asked() == Asked(
        model="whisper-1",
        instructions=Instructions(),
        format="json",
        granularities=frozenset({"segment"}),
        streams=False,
    )


def test_a_translation_is_one() -> None:
    assert asked(task="translate").instructions.task == "translate"


def test_what_the_engine_is_told_is_taken_over() -> None:
    told = asked(
        ("language", "PT-br"),
        ("prompt", " Ata  da reunião "),
        ("keywords[]", "Araçatuba"),
        ("keywords[]", "Nowak"),
    )
    assert told.instructions == Instructions(
        language="pt-BR", prompt="Ata da reunião", vocabulary=("Araçatuba", "Nowak")
    )


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
def test_lists_are_read_with_brackets_and_without(name: str) -> None:
    told = asked(("response_format", "verbose_json"), (name, "word"), (name, "segment"))
    assert told.granularities == {"word", "segment"}


def test_one_possible_language_is_the_language() -> None:
    assert asked(("languages[]", "de")).instructions.language == "de"
    assert asked(("languages[]", "de"), ("language", "de")).instructions.language == "de"


def test_a_language_is_the_same_in_each_spelling_and_however_often_it_is_named() -> None:
    assert asked(("languages[]", "pt-br"), ("language", "PT-BR")).instructions.language == "pt-BR"
    assert asked(("languages[]", "de"), ("languages[]", "DE")).instructions.language == "de"


def test_what_is_empty_counts_as_not_sent() -> None:
    names = (
        "language",
        "prompt",
        "temperature",
        "response_format",
        "stream",
        "chunking_strategy[threshold]",
    )
    empty = [(name, "") for name in names]
    assert asked(*empty) == asked()


@pytest.mark.parametrize(
    "sent",
    [
        ("temperature", "0"),
        ("temperature", "0.0"),
        ("stream", "false"),
        ("chunking_strategy", "auto"),
        ("chunking_strategy[type]", "server_vad"),
        ("chunking_strategy", '{"type": "server_vad"}'),
        ("chunking_strategy", '{"type": "server_vad", "threshold": null}'),
        ("timestamp_granularities[]", "segment"),
    ],
)
def test_what_changes_nothing_is_taken(sent: SENT) -> None:
    assert asked(sent) == asked()


@pytest.mark.parametrize("text", ["true", "True", "1"])
def test_a_stream_is_asked_for_in_each_spelling(text: str) -> None:
    assert asked(("stream", text)).streams


@pytest.mark.parametrize(
    ("sent", "field", "error"),
    [
        ([("response_format", "diarized_json")], "response_format", "speakers are not told apart"),
        ([("temperature", "0.2")], "temperature", "leave it out or send 0"),
        ([("include[]", "logprobs")], "include", "cannot be logprobs"),
        ([("languages[]", "de"), ("languages[]", "fr")], "languages", "send one"),
        ([("chunking_strategy[threshold]", "0.5")], "chunking_strategy[threshold]", "send auto"),
        (
            [("chunking_strategy", '{"type": "server_vad", "threshold": 0.5}')],
            "chunking_strategy[threshold]",
            "send auto",
        ),
        ([("stream", "true"), ("response_format", "srt")], "stream", "json or text"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(sent: list[SENT], field: str, error: str) -> None:
    with pytest.raises(UnsupportedParameter, match=error) as refused:
        asked(*sent)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ([("response_format", "xml")], "response_format"),
        ([("temperature", "warm")], "temperature"),
        ([("temperature", "nan")], "temperature"),
        ([("temperature", "2")], "temperature"),
        ([("stream", "perhaps")], "stream"),
        ([("timestamp_granularities[]", "word")], "timestamp_granularities"),
        ([("timestamp_granularities[]", "sentence")], "timestamp_granularities"),
        ([("include[]", "everything")], "include"),
        ([("chunking_strategy", "none")], "chunking_strategy"),
        ([("chunking_strategy", '{"type": "none"}')], "chunking_strategy"),
        ([("chunking_strategy", '{"type": ["auto"]}')], "chunking_strategy"),
        ([("chunking_strategy", '{"type": "auto"')], "chunking_strategy"),
        ([("chunking_strategy", '{"type": ' + "[" * 30_000)], "chunking_strategy"),
        ([("language", "german")], "language"),
        ([("language", "en"), ("language", "de")], "language"),
        ([("language", "en"), ("languages[]", "de")], "language"),
        ([("prompt", "x" * 1_001)], "prompt"),
        ([("keywords[]", "x" * 101)], "keywords"),
        ([("keywords[]", "x")] * 201, "keywords"),
    ],
)
def test_what_nobody_could_mean_is_named(sent: list[SENT], field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        asked(*sent)
    assert refused.value.field == field
    assert str(refused.value).startswith(field)


@pytest.mark.parametrize("name", ["prompt", "keywords[]", "model"])
def test_bytes_that_are_no_text_are_not_taken_for_some(name: str) -> None:
    with pytest.raises(InvalidField, match="send it in UTF-8") as refused:
        asked_of([Field(name, "Gespr\ufffdch", is_text=False)], "transcribe")
    assert refused.value.field == name.removesuffix("[]")


def test_a_model_is_required_and_none_that_tells_speakers_apart() -> None:
    with pytest.raises(InvalidField, match="model is required"):
        asked_of([], "transcribe")
    with pytest.raises(UnsupportedParameter, match="tells speakers apart"):
        asked(model="gpt-4o-transcribe-diarize")


@pytest.mark.parametrize("name", ["known_speaker_names[]", "known_speaker_references[]"])
def test_speakers_are_refused_before_their_voices_are_read(name: str) -> None:
    with pytest.raises(UnsupportedParameter, match="speakers are not told apart"):
        form_of("transcribe").require(name)


@pytest.mark.parametrize(
    ("task", "name"), [("transcribe", "temprature"), ("translate", "stream"), ("transcribe", "x" * 9_000)]
)
def test_a_field_that_nobody_knows_is_refused_before_it_is_read(task: Task, name: str) -> None:
    with pytest.raises(
        UnknownParameter, match=r"is no field of this request: there are .*file, "
    ) as refused:
        form_of(task).require(name)
    assert len(refused.value.field) <= 100


def test_every_field_of_openai_is_known() -> None:
    for name in ("model", "language", "languages[]", "prompt", "keywords[]", "response_format", "temperature",
        "timestamp_granularities[]", "stream", "include[]", "chunking_strategy", "chunking_strategy[type]"):  # fmt: skip
        form_of("transcribe").require(name)


def test_every_field_is_described() -> None:
    assert FIELDS.keys() == TRANSCRIBED_FIELDS | {"file"}
