"""Which bytes of a file a client asks for: RFC 9110, 13.1.5 and 14, one range."""

import re
from typing import Final

from msgspec import Struct

from domain.errors import Rejection

_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)


class RangeNotSatisfiable(Rejection):
    code = "range_not_satisfiable"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"The file has {size_bytes} bytes: ask for some of them")
        self.size_bytes = size_bytes


class Span(Struct, frozen=True):
    """Bytes of a file, the one at `end` not among them."""

    start: int
    end: int


def span_of(asked: str | None, size_bytes: int) -> Span | None:
    """None where the whole is to be sent: nothing was asked for, or what nobody has to understand.

    Several ranges at once are answered with the whole, as 14.2 allows. Raises RangeNotSatisfiable.
    """
    found = _RANGE.fullmatch(asked or "")
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return _last_bytes(int(last), size_bytes)
    start = int(first)
    end = min(int(last) + 1, size_bytes) if last else size_bytes
    if last and int(last) < start:
        return None
    if start >= size_bytes:
        raise RangeNotSatisfiable(size_bytes)
    return Span(start, end)


def _last_bytes(count: int, size_bytes: int) -> Span:
    if not count or not size_bytes:
        raise RangeNotSatisfiable(size_bytes)
    return Span(max(0, size_bytes - count), size_bytes)


def still_holds(if_range: str | None, etag: str) -> bool:
    """Whether a range may be sent (13.1.5); we give no dates, so that one never holds."""
    return if_range is None or if_range.strip() == etag
