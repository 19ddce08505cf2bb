"""What a change of a schema would break: stored events that today's code cannot read, or readers of before.

A schema that was released never changes but for what both sides survive. A reader passes over fields that it does not
know, and one that is not required has a default; so a new optional field harms nobody, and everything else does.
Whatever else is wanted takes a new version of the event and an upcaster from the one before.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemas.json_schemas import JsonSchema, message_path

_SAID_FOR_PEOPLE: Final = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "default", "examples"}
)
"""No reader depends on them: a default is given by whoever reads."""
_NEW_VERSION: Final = "give the event a new schema version, and an upcaster from this one"
_NEW_NAME: Final = (
    "make what is new optional, or send it under another name, which readers of before pass over"
)
_LOCAL: Final = "#/$defs/"


def breaks(released: Mapping[str, JsonSchema], today: Mapping[str, JsonSchema]) -> list[str]:
    """Each as a line that names schema and field, and says what to do; schemas by their path."""
    return [line for path, before in released.items() for line in _broken(path, before, today.get(path))]


def _broken(path: str, before: JsonSchema, now: JsonSchema | None) -> Iterator[str]:
    if now is None:
        yield f"{path}: is gone, and there is something that has it: keep it, and read it as what took its place"
        return
    advice = _NEW_NAME if path.startswith(message_path("")) else _NEW_VERSION
    for problem in _changes("", _resolved(before, before), _resolved(now, now)):
        yield f"{path}: {problem}: {advice}"


def _changes(place: str, before: JsonSchema, now: JsonSchema) -> Iterator[str]:
    """What is not the same in two schemas without references, but for new optional properties."""
    if "properties" in before and "properties" in now:
        yield from _changed_properties(place, before, now)
        before, now = _but_properties(before), _but_properties(now)
    if before != now:
        yield f"{place or 'it'} was {before} and is {now}"


def _changed_properties(place: str, before: JsonSchema, now: JsonSchema) -> Iterator[str]:
    required_before, required_now = set(before.get("required", ())), set(now.get("required", ()))
    for name, schema in before["properties"].items():
        field = f"{place}.{name}" if place else name
        if name not in now["properties"]:
            yield f"{field} is gone"
            continue
        if (name in required_before) != (name in required_now):
            yield f"{field} was {_asked(name in required_before)} and is {_asked(name in required_now)}"
        yield from _changes(field, schema, now["properties"][name])
    for name in sorted(required_now - set(before["properties"])):
        yield f"{f'{place}.{name}' if place else name} is new and required"


def _asked(is_required: bool) -> str:
    return "required" if is_required else "optional"


def _but_properties(schema: JsonSchema) -> JsonSchema:
    return {name: value for name, value in schema.items() if name not in ("properties", "required")}


def _resolved(schema: Any, document: JsonSchema) -> Any:
    """With what it refers to in its place, and without what is said for people. No type of ours holds itself."""
    match schema:
        case {"$ref": str(ref)}:
            return _resolved(document["$defs"][ref.removeprefix(_LOCAL)], document)
        case dict():
            return {
                name: {each: _resolved(value[each], document) for each in value}
                if name == "properties"
                else _resolved(value, document)
                for name, value in schema.items()
                if name not in _SAID_FOR_PEOPLE
            }
        case list():
            return [_resolved(each, document) for each in schema]
        case _:
            return schema
