"""The mark on fields that name or describe a person."""

from typing import Annotated, Final, get_type_hints

import msgspec

PERSONAL: Final = "personal"

MARK: Final = msgspec.Meta(extra={PERSONAL: True}, extra_json_schema={"x-personal": True})
PersonalText = Annotated[str, MARK]
"""Text about a person: shown to its owner, never logged."""


def personal_fields(struct: type[msgspec.Struct]) -> frozenset[str]:
    """Names of the fields of `struct` that are marked personal."""
    hints = get_type_hints(struct, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _is_personal(hint))


def _is_personal(hint: object) -> bool:
    marks = getattr(hint, "__metadata__", ())
    return any(isinstance(mark, msgspec.Meta) and (mark.extra or {}).get(PERSONAL) for mark in marks)
