"""The mark on fields that name or describe a person."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

PERSONAL: Final = "personal"

MARK: Final = msgspec.Meta(extra={PERSONAL: True}, extra_json_schema={"x-personal": True})
PersonalText = Annotated[str, MARK]
"""Text about a person: shown to its owner, never logged."""

Path: TypeAlias = tuple[str, ...]
"""Where a field is: its name, after those of the structs that hold it."""


def personal_fields(struct: type[msgspec.Struct]) -> frozenset[str]:
    """Names of the fields of `struct` that are marked personal."""
    hints = get_type_hints(struct, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _is_personal(hint))


def personal_paths(struct: type[msgspec.Struct]) -> Mapping[Path, str | tuple[()]]:
    """The personal fields of `struct` and of the structs in it, each with the value that says nothing.

    Raises TypeError for one that is neither text nor a tuple.
    """
    return dict(_personal(struct))


def _personal(struct: type[msgspec.Struct]) -> Iterator[tuple[Path, str | tuple[()]]]:
    for name, hint in get_type_hints(struct, include_extras=True).items():
        if _is_personal(hint):
            yield (name,), _nothing(get_args(hint)[0])
        elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from (((name, *path), nothing) for path, nothing in _personal(hint))


def _nothing(kind: object) -> str | tuple[()]:
    if kind is str:
        return ""
    if get_origin(kind) is tuple:
        return ()
    raise TypeError(f"a personal field is text or a tuple, and none is {kind}")


def _is_personal(hint: object) -> bool:
    marks = getattr(hint, "__metadata__", ())
    return any(isinstance(mark, msgspec.Meta) and (mark.extra or {}).get(PERSONAL) for mark in marks)
