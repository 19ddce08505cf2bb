"""The fields of a request: what is asked for, in our words; what cannot be done is refused by the field's name."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import msgspec
from msgspec import Struct

from api.openai_audio.refusals import UnknownParameter, UnsupportedParameter
from api.uploads import FILE_PART, NAME_CHARACTERS_MAX, Field, Form
from domain.errors import InvalidField
from domain.instructions import TERMS_MAX, Instructions, Task, instructions_of
from domain.languages import language_tag_of

TextFormat: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity: TypeAlias = Literal["word", "segment"]

FORMATS: Final[tuple[TextFormat, ...]] = get_args(TextFormat)
STREAMED: Final = ("json", "text")
PARTS_MAX: Final = TERMS_MAX + 40
FIELDS_BYTES_MAX: Final = 256 << 10
"""Of all fields with their heads: as many terms as there may be, in any script."""
FIELD_BYTES_MAX: Final = 64 << 10
TRANSLATED_FIELDS: Final = frozenset({"model", "language", "prompt", "response_format", "temperature"})
TRANSCRIBED_FIELDS: Final = TRANSLATED_FIELDS | {
    "languages",
    "keywords",
    "timestamp_granularities",
    "stream",
    "include",
    "chunking_strategy",
}
_SPEAKERS: Final = frozenset({"known_speaker_names", "known_speaker_references"})
_CHUNKING: Final = "chunking_strategy"
_LISTS: Final = frozenset({"languages", "keywords", "timestamp_granularities", "include"})
_YES: Final = ("true", "1")
_NO: Final = ("false", "0")

Values: TypeAlias = Mapping[str, Sequence[str]]
"""By the name without brackets, what is not empty."""


class Asked(Struct, frozen=True, kw_only=True):
    """`model` is a name that the client calls it by."""

    model: str
    instructions: Instructions
    format: TextFormat
    granularities: frozenset[Granularity]
    streams: bool


def form_of(task: Task) -> Form:
    """Unknown fields are refused as soon as they begin, before the recording is read."""
    known = {FILE_PART} | (TRANSLATED_FIELDS if task == "translate" else TRANSCRIBED_FIELDS)

    def require(sent: str) -> None:
        name = _plain(sent)
        if name in _SPEAKERS:
            raise UnsupportedParameter(
                name, "cannot be used: speakers are not told apart here, so leave it out"
            )
        if name not in known:
            problem = f"is no field of this request: there are {', '.join(sorted(known))}"
            raise UnknownParameter(name[:NAME_CHARACTERS_MAX], problem)

    return Form(
        parts_max=PARTS_MAX,
        overhead_bytes_max=FIELDS_BYTES_MAX,
        field_bytes_max=FIELD_BYTES_MAX,
        require=require,
    )


def asked_of(fields: Sequence[Field], task: Task) -> Asked:
    """Raises InvalidField or UnsupportedParameter."""
    values = _values_of(fields)
    format_, streams = _format(values), _streams(values)
    if streams and format_ not in STREAMED:
        raise UnsupportedParameter("stream", f"goes with response_format {_listed(STREAMED)}: send either")
    _require_no_temperature(values)
    _require_no_logprobs(values)
    _require_own_chunks(fields)
    return Asked(
        model=_model(values),
        instructions=_instructions(values, task),
        format=format_,
        granularities=_granularities(values, format_),
        streams=streams,
    )


def _plain(sent: str) -> str:
    """`keywords[]` and `chunking_strategy[type]` are how clients send a list and a member."""
    return sent.partition("[")[0]


def _values_of(fields: Sequence[Field]) -> Values:
    values: dict[str, list[str]] = {}
    for field in fields:
        if not field.is_text:
            raise InvalidField(_plain(field.name), "is no text that can be read: send it in UTF-8")
        if field.value.strip():
            values.setdefault(_plain(field.name), []).append(field.value.strip())
    for name, sent in values.items():
        if len(sent) > 1 and name not in _LISTS and name != _CHUNKING:
            raise InvalidField(name, "was sent more than once: send it once")
    return values


def _one(values: Values, name: str) -> str | None:
    return values[name][0] if name in values else None


def _model(values: Values) -> str:
    model = _one(values, "model")
    if model is None:
        raise InvalidField("model", "is required: GET /v1/models lists the names there are")
    if "diarize" in model:
        raise UnsupportedParameter("model", "tells speakers apart, which cannot be done here: send another")
    return model


def _format(values: Values) -> TextFormat:
    name = _one(values, "response_format") or "json"
    if name == "diarized_json":
        raise UnsupportedParameter(
            "response_format", "cannot be diarized_json: speakers are not told apart here; send another"
        )
    if name not in FORMATS:
        raise InvalidField("response_format", f"has to be one of {_listed(FORMATS)}")
    return name


def _streams(values: Values) -> bool:
    text = (_one(values, "stream") or "false").lower()
    if text not in _YES + _NO:
        raise InvalidField("stream", "has to be true or false")
    return text in _YES


def _granularities(values: Values, format_: TextFormat) -> frozenset[Granularity]:
    sent = frozenset(values.get("timestamp_granularities", ()))
    if not sent <= {"word", "segment"}:
        raise InvalidField("timestamp_granularities", "has to be word, segment or both")
    if "word" in sent and format_ != "verbose_json":
        raise InvalidField("timestamp_granularities", "with word needs response_format verbose_json")
    return cast("frozenset[Granularity]", sent) or frozenset({"segment"})


def _require_no_temperature(values: Values) -> None:
    text = _one(values, "temperature")
    if text is None:
        return
    try:
        temperature = float(text)
    except ValueError:
        temperature = -1.0
    if not (isfinite(temperature) and 0 <= temperature <= 1):
        raise InvalidField("temperature", "has to be a number from 0 to 1")
    if temperature > 0:
        raise UnsupportedParameter(
            "temperature", "cannot be chosen: the same recording has one transcript; leave it out or send 0"
        )


def _require_no_logprobs(values: Values) -> None:
    for name in values.get("include", ()):
        if name == "logprobs":
            raise UnsupportedParameter(
                "include", "cannot be logprobs: engines do not tell them; leave it out"
            )
        raise InvalidField("include", "has nothing but logprobs to include, which are not told here")


def _require_own_chunks(fields: Sequence[Field]) -> None:
    """Recordings are always cut where nobody speaks; how loud that is cannot be chosen."""
    for name, value in _chunking_of(fields):
        if name not in (_CHUNKING, f"{_CHUNKING}[type]"):
            raise UnsupportedParameter(
                name[:NAME_CHARACTERS_MAX], "cannot be chosen: leave it out, and send auto"
            )
        if value not in ("auto", "server_vad"):
            raise InvalidField(_CHUNKING, "has to be auto, or have the type server_vad alone")


def _chunking_of(fields: Sequence[Field]) -> Iterator[tuple[str, Any]]:
    """What is not empty of it, member by member: some clients send it as a JSON object."""
    for field in fields:
        value = field.value.strip()
        if _plain(field.name) != _CHUNKING or not value:
            continue
        if value.startswith("{"):
            yield from ((f"{_CHUNKING}[{name}]", sent) for name, sent in _members_of(value).items())
        else:
            yield field.name, value


def _members_of(value: str) -> Mapping[str, Any]:
    try:
        members = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise InvalidField(_CHUNKING, "is neither auto nor a JSON object") from None
    return {name: sent for name, sent in members.items() if sent is not None}


def _instructions(values: Values, task: Task) -> Instructions:
    try:
        return instructions_of(
            language=_language(values),
            task=task,
            prompt=_one(values, "prompt") or "",
            vocabulary=values.get("keywords", ()),
        )
    except InvalidField as problem:
        if problem.field != "vocabulary":
            raise
        raise InvalidField("keywords", str(problem).removeprefix("vocabulary ")) from problem


def _language(values: Values) -> str | None:
    language = _one(values, "language")
    possible = list(dict.fromkeys(language_tag_of(each) or each for each in values.get("languages", ())))
    told = language and (language_tag_of(language) or language)
    if told is not None and possible and told not in possible:
        raise InvalidField("language", "is none of languages: send the one that is spoken, or neither")
    if language is None and len(possible) > 1:
        raise UnsupportedParameter(
            "languages", "cannot limit what is detected: send one, or leave it out to have it detected"
        )
    return language or (possible[0] if possible else None)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
