"""The forms in which events are stored: in the clear, or with their personal fields sealed."""

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields, force_setattr, replace

from domain.decider import Decider
from domain.events import Event
from domain.personal import Path, personal_paths
from schemas.sealing import Keys, PersonKey, PersonKeyMissing

SealedText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="Sealed (AES-256-GCM, base64) with a key of the person's own; empty where nothing was said.",
        extra_json_schema={"x-personal": True, "x-sealed": True},
    ),
]

_encode: Final = msgspec.json.Encoder().encode


class Clear(Struct, frozen=True):
    """An event as its class has it; `stored` is the class whose JSON Schema is that of the data."""

    event: type[Event]
    stored: type[Struct]
    decoder: msgspec.json.Decoder[Event]

    def says_personal(self, event: Event) -> bool:
        del event
        return False

    def owner_of_sealed(self, data: bytes) -> UUID | None:
        """Whose key is needed to read it: nobody's."""
        del data
        return None

    def encode(self, event: Event, version: int, key: PersonKey | None) -> bytes:
        del version, key
        return _encode(event)

    def encode_blank(self, event: Event) -> bytes:
        return _encode(event)

    def decode(self, data: bytes, version: int, keys: Keys) -> Event:
        del version, keys
        return self.decoder.decode(data)


class SealedField(Struct, frozen=True):
    """A personal field, of the event or of its struct `outer`; `nothing` is its value that says nothing, `of` reads it."""

    name: bytes
    outer: str | None
    inner: str
    nothing: object
    of: Callable[[object], Any]


class Sealed(Struct, frozen=True):
    """An event with its personal fields sealed, each for its place in the stream that `identity_of` names.

    `stored` has text in the place of what is sealed, and an empty one where nothing is said.
    """

    event: type[Event]
    stored: type[Struct]
    decoder: msgspec.json.Decoder[Any]
    fields: tuple[SealedField, ...]
    category: bytes
    """With the hyphen behind it."""
    identity_of: Callable[[object], UUID]
    only: SealedField | None
    """Where there is no other, and it is one of the event's own: nearly always, so that it has a way of its own, in half the time."""

    def says_personal(self, event: object) -> bool:
        """Of an event, or of one as it is stored."""
        for field in self.fields:  # noqa: SIM110  # `any` takes three times as long
            if field.of(event):
                return True
        return False

    def owner_of_sealed(self, data: bytes) -> UUID | None:
        """Whose key is needed to read it, if anybody's: for what says nothing none was ever made."""
        stored = self.decoder.decode(data)
        return stored.user_id if self.says_personal(stored) else None

    def encode(self, event: Event, version: int, key: PersonKey | None) -> bytes:
        if key is None or version < 1:
            self._require_silent(event)
            return self.encode_blank(event)
        if self.only is not None:
            return self._encode_only(self.only, event, version, key)
        place = self._place(event, version)
        sealed = [
            key.seal(said, place + field.name) if (said := field.of(event)) else "" for field in self.fields
        ]
        return _encode(self._with(event, sealed))

    def _encode_only(self, field: SealedField, event: Any, version: int, key: PersonKey) -> bytes:
        said, copy = field.of(event), event.__copy__()
        sealed = key.seal(said, self._place(event, version) + field.name) if said else ""
        force_setattr(copy, field.inner, sealed)  # `replace` takes twice as long.
        return _encode(copy)

    def encode_blank(self, event: Event) -> bytes:
        """Without what it says."""
        return _encode(self._with(event, [""] * len(self.fields)))

    def _require_silent(self, event: Event) -> None:
        if self.says_personal(event):
            raise ValueError(
                f"a {self.event.__name__} that says something personal needs a key and a place"
            )

    def decode(self, data: bytes, version: int, keys: Keys) -> Event:
        stored = self.decoder.decode(data)
        key = _key_of(stored.user_id, keys) if self.says_personal(stored) else None
        place = self._place(stored, version)
        said = [
            key.open(text, place + field.name) if key and (text := field.of(stored)) else field.nothing
            for field in self.fields
        ]
        return msgspec.convert(self._with(stored, said), self.event, from_attributes=True)

    def _place(self, event: object, version: int) -> bytes:
        """What is authenticated with each field, but for its name: the stream, and the event's version in it."""
        identity = _encode(self.identity_of(event))[1:-1]  # str() takes five times as long.
        return b"%b%b/%d/" % (self.category, identity, version)

    def _with(self, struct: Struct, values: Sequence[object]) -> Struct:
        """With these values in its fields, whatever their types: it is about to be written, where bytes become base64, or converted."""
        changes: dict[str, Any] = {}
        inner: dict[str, dict[str, object]] = {}
        for field, value in zip(self.fields, values, strict=True):
            within = changes if field.outer is None else inner.setdefault(field.outer, {})
            within[field.inner] = value
        holders = {name: replace(getattr(struct, name), **values) for name, values in inner.items()}
        return replace(struct, **changes, **holders)


StoredForm: TypeAlias = Clear | Sealed


def clear(event: type[Event]) -> Clear:
    return Clear(event, event, msgspec.json.Decoder(event))


def sealed(event: type[Event], decider: Decider[Any, Any, Any], identity: str, version: int) -> Sealed:
    """The form of an event that lies in the decider's stream of its field `identity`."""
    blanks = personal_paths(event)
    stored = _sealed_class(event, tuple(blanks), version)
    parts = tuple(_field(path, nothing) for path, nothing in blanks.items())
    only = parts[0] if len(parts) == 1 and parts[0].outer is None else None
    decoder = msgspec.json.Decoder(stored)
    return Sealed(
        event, stored, decoder, parts, b"%b-" % decider.category.encode(), attrgetter(identity), only
    )


def _field(path: Path, nothing: object) -> SealedField:
    *outer, inner = path
    assert len(outer) <= 1, "no event has a personal field in a struct of a struct"
    name = ".".join(path)
    return SealedField(name.encode(), outer[0] if outer else None, inner, nothing, attrgetter(name))


def _key_of(owner_id: UUID, keys: Keys) -> PersonKey | None:
    try:
        return keys[owner_id]
    except KeyError:
        raise PersonKeyMissing(owner_id) from None


@cache
def _sealed_class(cls: type[Struct], paths: tuple[Path, ...], version: int) -> type[Struct]:
    """As `cls`, but that what is sealed is text; named after the version, so that schemas can hold both."""
    members = [_member(field, _within(paths, field.name), version) for field in fields(cls)]
    documented = {"__doc__": cls.__doc__} if cls.__doc__ else {}
    return msgspec.defstruct(
        f"{cls.__name__}-v{version}", members, frozen=True, kw_only=True, namespace=documented
    )


def _within(paths: tuple[Path, ...], name: str) -> tuple[Path, ...]:
    return tuple(path[1:] for path in paths if path[0] == name)


def _member(field: FieldInfo, paths: tuple[Path, ...], version: int) -> Any:
    kind, default = field.type, field.default
    if () in paths:
        kind, default = SealedText, NODEFAULT if default is NODEFAULT else ""
    elif paths:
        kind = _sealed_class(field.type, paths, version)
    return (field.name, kind) if default is NODEFAULT else (field.name, kind, default)
