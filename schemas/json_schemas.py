"""JSON Schema (2020-12) of every event and message, made from the types that write and read them."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, get_args

import msgspec

from domain.transcript import Transcript
from schemas.checkpoints import EvidenceCheckpoint, RelayCheckpoint
from schemas.events import FORMS, EventType
from schemas.facts import TranscriptionFact
from schemas.messages import Report

JsonSchema: TypeAlias = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ROOT: Final = "/schemas"
"""Where the API serves them."""
_LOCAL: Final = "#/$defs/{name}"


def event_path(kind: EventType) -> str:
    """Where the API serves the schema of an event's data: `/schemas/UserRegistered/1`."""
    return f"{ROOT}/{kind.name}/{kind.schema_version}"


def message_path(name: str) -> str:
    """Where the API serves the schema of another message, or of the transcript object."""
    return f"{ROOT}/messages/{name}"


def documents() -> Mapping[str, JsonSchema]:
    """Every schema there is, by its path; each stands for itself, with all that it refers to."""
    events = {event_path(kind): _document(event_path(kind), form.stored) for kind, form in FORMS.items()}
    messages = {message_path(cls.__name__): _document(message_path(cls.__name__), cls) for cls in MESSAGES}
    return events | messages


def components(types: Iterable[type], ref_template: str) -> Mapping[str, JsonSchema]:
    """The schemas of the types and of all that they refer to, by name."""
    _, found = msgspec.json.schema_components(types, ref_template=ref_template)
    return {name: _tidied(schema) for name, schema in found.items()}


MESSAGES: Final[tuple[type, ...]] = (
    *get_args(Report),
    RelayCheckpoint,
    EvidenceCheckpoint,
    TranscriptionFact,
    Transcript,
)


def _document(path: str, cls: type) -> JsonSchema:
    found = dict(components([cls], _LOCAL))
    own = found.pop(cls.__name__)
    return {"$schema": DIALECT, "$id": path, **own, **({"$defs": found} if found else {})}


def _tidied(schema: JsonSchema) -> JsonSchema:
    """Docstrings are indented as the code is; nobody else's text should be."""
    if "description" in schema:
        schema = schema | {"description": inspect.cleandoc(schema["description"])}
    return schema
