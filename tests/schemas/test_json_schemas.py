"""The schemas that others read: committed as they are made, true of what is stored, and each complete in itself."""

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from msgspec import Struct

from domain.events import Event
from schemas.documents import ASYNCAPI, FOLDER, files
from schemas.events import REGISTRY, encode, type_of
from schemas.json_schemas import documents, event_path, message_path
from tests.keys import KEY
from tests.schemas.test_events import EVENTS


def test_the_committed_documents_are_what_the_types_say() -> None:
    committed = {
        str(path.relative_to(FOLDER)): path.read_bytes()
        for path in [FOLDER / ASYNCAPI, *(FOLDER / "schemas").rglob("*.json")]
    }
    assert committed == files(), "run `python -m schemas.documents`"


@pytest.mark.parametrize("path", documents())
def test_a_schema_is_a_schema_and_says_where_it_is(path: str) -> None:
    schema = documents()[path]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == path


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_what_its_schema_promises(event: Event) -> None:
    schema = documents()[event_path(type_of(event))]
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(
        msgspec.json.decode(encode(event, 1, KEY))
    )


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_without_any_of_its_fields_is_refused(event: Event) -> None:
    schema = documents()[event_path(type_of(event))]
    assert not Draft202012Validator(schema).is_valid({})


def test_what_is_personal_is_marked() -> None:
    found = documents()
    assert found["/schemas/UserRegistered/1"]["properties"]["email"]["x-personal"]
    assert found["/schemas/FileUploaded/1"]["properties"]["filename"]["x-personal"]
    job = found["/schemas/TranscriptionRequested/1"]["$defs"]["Job"]["properties"]
    assert {name for name, schema in job.items() if schema.get("x-personal")} == {"prompt", "vocabulary"}


def test_every_time_of_an_event_says_of_which_place_it_is() -> None:
    for kind, cls in REGISTRY.items():
        times = [name for name in _fields(cls) if name.endswith("_at")]
        properties = documents()[event_path(kind)]["properties"]
        assert times
        # One that may be missing is a time or null.
        kinds = [kind for name in times for kind in properties[name].get("anyOf", [properties[name]])]
        assert {kind.get("format") for kind in kinds if kind["type"] != "null"} == {"date-time"}


def test_a_transcript_has_a_schema_too() -> None:
    assert "Segment" in documents()[message_path("Transcript")]["$defs"]


def _fields(cls: type[Struct]) -> tuple[str, ...]:
    return cls.__struct_fields__
