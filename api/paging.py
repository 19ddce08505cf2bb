"""Pages of lists: JSON arrays, newest first, with a link to the next page."""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Protocol, TypeVar
from urllib.parse import urlencode

from litestar import Response
from litestar.params import QueryParameter
from msgspec import Struct

from projections.paging import Cursor, decode_cursor

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


def page(
    path: str, entries: Sequence[Entry], limit: int, body_of: Callable[[Entry], Body]
) -> Response[list[Body]]:
    """`entries` has one more than `limit` when there is a next page."""
    shown = entries[:limit]
    headers = {}
    if len(entries) > limit:
        query = urlencode({"limit": limit, "cursor": shown[-1].cursor.encode()})
        headers["Link"] = f'<{path}?{query}>; rel="next"'
    return Response([body_of(entry) for entry in shown], headers=headers)
