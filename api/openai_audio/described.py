"""What the OpenAPI document says of the routes that OpenAI's clients use: their bodies are read and written by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)

from api.openai_audio.form import FORMATS, TRANSCRIBED_FIELDS, TRANSLATED_FIELDS
from api.openai_audio.refusals import MEDIA_TYPE
from domain.instructions import PROMPT_CHARACTERS_MAX, TERM_CHARACTERS_MAX, TERMS_MAX
from schemas.audio_bodies import AudioRefusal, AudioText, VerboseText

_TEXT: Final = OpenAPIType.STRING


def _list_of(entries: Schema, entries_max: int | None = None) -> Schema:
    return Schema(type=OpenAPIType.ARRAY, items=entries, max_items=entries_max)


FIELDS: Final[Mapping[str, Schema]] = {
    "file": Schema(type=_TEXT, format=OpenAPIFormat.BINARY, description="The recording, with its filename"),
    "model": Schema(
        type=_TEXT, description="A name of GET /v1/models; OpenAI's mean the model that runs here"
    ),
    "language": Schema(type=_TEXT, description="BCP 47; without it the language is detected"),
    "languages": _list_of(Schema(type=_TEXT), 1),
    "prompt": Schema(type=_TEXT, max_length=PROMPT_CHARACTERS_MAX),
    "keywords": _list_of(Schema(type=_TEXT, max_length=TERM_CHARACTERS_MAX), TERMS_MAX),
    "response_format": Schema(type=_TEXT, enum=list(FORMATS), default="json"),
    "temperature": Schema(type=OpenAPIType.NUMBER, minimum=0, maximum=0, description="Nothing but 0"),
    "timestamp_granularities": _list_of(Schema(type=_TEXT, enum=["word", "segment"])),
    "stream": Schema(
        type=OpenAPIType.BOOLEAN, default=False, description="Server-Sent Events, with json or text"
    ),
    "include": _list_of(Schema(type=_TEXT), 0),
    "chunking_strategy": Schema(type=_TEXT, enum=["auto", "server_vad"]),
}


def _operation(names: frozenset[str], media_types: Sequence[str]) -> type[Operation]:
    """Lists may also be sent as `name[]`."""

    @dataclass
    class AudioOperation(Operation):
        def __post_init__(self) -> None:
            form = Schema(
                type=OpenAPIType.OBJECT,
                properties={name: schema for name, schema in FIELDS.items() if name in names | {"file"}},
                required=["file", "model"],
            )
            self.request_body = RequestBody(
                content={"multipart/form-data": OpenAPIMediaType(schema=form)}, required=True
            )
            answer = (self.responses or {}).get("200")
            assert isinstance(answer, OpenAPIResponse)
            text = OpenAPIMediaType(schema=Schema(type=_TEXT))
            answer.content = {**(answer.content or {}), **dict.fromkeys(media_types, text)}

    return AudioOperation


_TEXTS: Final = ("text/plain", "application/x-subrip", "text/vtt")
TranscriptionOperation: Final = _operation(TRANSCRIBED_FIELDS, (*_TEXTS, "text/event-stream"))
TranslationOperation: Final = _operation(TRANSLATED_FIELDS, _TEXTS)


def refusals(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            AudioRefusal,
            description=HTTPStatus(status).phrase,
            media_type=MEDIA_TYPE,
            generate_examples=False,
        )
        for status in statuses
    }


_EITHER: Final[Any] = AudioText | VerboseText
TEXTS: Final = {
    200: ResponseSpec(
        _EITHER,
        description="The text: as JSON, or with another response_format as text, SubRip or WebVTT, "
        "or with stream as Server-Sent Events",
        generate_examples=False,
    )
}
