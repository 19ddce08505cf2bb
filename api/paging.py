"""Pages of lists: JSON arrays, newest first, with a link to the next page."""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Protocol, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from litestar.params import QueryParameter
from msgspec import Struct

from api.plain import Answer
from domain.errors import PersonErased
from projections.paging import Cursor, Page, decode_cursor

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 200

Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX, description="Entries per page")]
CursorText = Annotated[
    str | None, QueryParameter(name="cursor", description="Where to go on: from the Link header of a page")
]


class Listed(Protocol):
    @property
    def cursor(self) -> Cursor: ...


Entry = TypeVar("Entry", bound=Listed)
Body = TypeVar("Body", bound=Struct)


def cursor_of(text: str | None) -> Cursor | None:
    """Raises InvalidField."""
    return decode_cursor(text) if text else None


def page_of(user_id: UUID, limit: int, before: Cursor | None = None) -> Page:
    """With one entry more than are shown, to know whether there is a next page."""
    return Page(user_id, limit + 1, before)


def answer_of(
    path: str, entries: Sequence[Entry] | None, limit: int, body_of: Callable[[Entry], Body]
) -> Answer:
    """`entries` has one more than `limit` when there is a next page. Raises PersonErased when it is None."""
    if entries is None:
        raise PersonErased
    shown = entries[:limit]
    headers = {}
    if len(entries) > limit:
        query = urlencode({"limit": limit, "cursor": shown[-1].cursor.encode()})
        headers["Link"] = f'<{path}?{query}>; rel="next"'
    return Answer([body_of(entry) for entry in shown], headers)
