"""Entity tags: which state of a thing an answer shows, and which one a request is about (RFC 9110, 8.8.3 and 13.1)."""

import re
from collections.abc import Mapping
from typing import Final

from litestar import Response
from msgspec import Struct

from domain.errors import InvalidField

ANY: Final = "*"
IF_MATCH: Final = b"if-match"
IF_NONE_MATCH: Final = b"if-none-match"
# Possessive, so that a header which is no list is found out in one pass.
_NEXT: Final = re.compile(r'[ \t]*+(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*+)?(?:,|\Z)')


class EntityTag(Struct, frozen=True):
    """`state` is what stands between the quotation marks; a weak one says only that both mean the same."""

    state: str
    is_weak: bool = False


def etag_of(state: str) -> str:
    """A strong one: the same state is the same answer, byte for byte."""
    return f'"{state}"'


def headers_of(etag: str) -> Mapping[str, str]:
    """For an answer that a client may keep, if it asks each time whether it still holds."""
    return {"ETag": etag, "Cache-Control": "private, no-cache"}


def not_modified(headers: Mapping[str, str]) -> Response[bytes]:
    """What is sent to a client that has the answer already; `headers` are those of the answer."""
    return Response(b"", status_code=304, headers=dict(headers))


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has it (13.1.2), weakly compared. A header that is no list of tags names nothing it has."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == ANY:
        return True
    return any(etag_of(each.state) == etag for each in _tags(if_none_match) or ())


def states_meant(if_match: str | None) -> frozenset[str] | None:
    """The states in which a change may be made (13.1.1), strongly compared; None where any will do.

    A weak tag never matches, so that it stands for no state. Raises InvalidField for what is no list of tags: a client
    that wants to lose no edit is not served as if it had not asked.
    """
    if if_match is None or if_match.strip() == ANY:
        return None
    tags = _tags(if_match)
    if not tags:
        raise InvalidField("If-Match", 'has to be entity tags as an ETag header gives them, like "a", or *')
    return frozenset(each.state for each in tags if not each.is_weak)


def _tags(text: str) -> list[EntityTag] | None:
    """None for what is no list of them. Empty places between commas are passed over, as 5.6.1.2 has it."""
    tags, at = [], 0
    while at < len(text):
        found = _NEXT.match(text, at)
        if found is None:
            return None
        if found[2] is not None:
            tags.append(EntityTag(found[2], is_weak=found[1] is not None))
        at = found.end()
    return tags
