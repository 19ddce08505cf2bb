"""Pages of lists: JSON arrays, newest first, with a link to the next page."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Final, Protocol, TypeAlias, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from litestar.params import QueryParameter
from msgspec import Struct

from api.filenames import FILENAME_CHARACTERS_MAX
from api.plain import Answer
from domain.errors import InvalidField, PersonErased
from projections.paging import Cursor, Page, Wanted, decode_cursor, utc_of

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 200
VERSION_DIGITS_MAX: Final = 9

Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX, description="Entries per page")]
CursorText = Annotated[
    str | None, QueryParameter(name="cursor", description="Where to go on: from the Link header of a page")
]
CreatedAfter = Annotated[
    datetime | None,
    QueryParameter(
        name="created_after", description="Only what was made later, as in 2026-11-27T10:00:00Z"
    ),
]
CreatedBefore = Annotated[
    datetime | None,
    QueryParameter(
        name="created_before", description="Only what was made earlier, as in 2026-11-28T10:00:00Z"
    ),
]
InFilename = Annotated[
    str | None,
    QueryParameter(
        name="filename",
        description="Only recordings whose file name has this in it, in whatever case",
        schema_extra={"min_length": 1, "max_length": FILENAME_CHARACTERS_MAX},
    ),
]
Query: TypeAlias = Sequence[tuple[str, str]]
"""Names and values of a query string."""


class Listed(Protocol):
    @property
    def cursor(self) -> Cursor: ...


Entry = TypeVar("Entry", bound=Listed)
Body = TypeVar("Body", bound=Struct)


def wanted_of(
    statuses: Sequence[str] | None,
    created_after: datetime | None,
    created_before: datetime | None,
    filename: str | None,
) -> Wanted | None:
    """None where nothing in particular is. Raises InvalidField."""
    if filename is not None and not 1 <= len(filename) <= FILENAME_CHARACTERS_MAX:
        raise InvalidField("filename", f"has to have 1 to {FILENAME_CHARACTERS_MAX} characters")
    if filename is not None and "\0" in filename:
        raise InvalidField("filename", "has a sign that no name has")
    wanted = Wanted(
        statuses=tuple(sorted(set(statuses or ()))),
        after=_moment("created_after", created_after),
        before=_moment("created_before", created_before),
        filename=filename or "",
    )
    return None if wanted == Wanted() else wanted


def _moment(field: str, moment: datetime | None) -> datetime | None:
    """Raises InvalidField."""
    try:
        return None if moment is None else utc_of(moment)
    except (ValueError, OverflowError):
        raise InvalidField(field, "has to be a moment with its zone, as in 2026-11-27T10:00:00Z") from None


def query_of(wanted: Wanted | None) -> Query:
    """What a link to the next page says of it."""
    if wanted is None:
        return []
    query = [("status", status) for status in wanted.statuses]
    moments = {"created_after": wanted.after, "created_before": wanted.before}
    query += [(name, moment.isoformat()) for name, moment in moments.items() if moment]
    return [*query, ("filename", wanted.filename)] if wanted.filename else query


def cursor_of(text: str | None) -> Cursor | None:
    """Raises InvalidField."""
    return decode_cursor(text) if text else None


def version_of(cursor: str | None) -> int | None:
    """Where a page of a stream ends, which is what its cursor says. Raises InvalidField."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= VERSION_DIGITS_MAX):
        raise InvalidField("cursor", "is none that a list gave out: take it from a Link header")
    return int(cursor)


def page_of(user_id: UUID, limit: int, before: Cursor | None = None) -> Page:
    """With one entry more than are shown, to know whether there is a next page."""
    return Page(user_id, limit + 1, before)


def answer_of(
    path: str,
    entries: Sequence[Entry] | None,
    limit: int,
    body_of: Callable[[Entry], Body],
    query: Query = (),
) -> Answer:
    """`entries` has one more than `limit` when there is a next page. Raises PersonErased when it is None."""
    if entries is None:
        raise PersonErased
    shown = entries[:limit]
    headers = {}
    if len(entries) > limit:
        place = [("limit", str(limit)), ("cursor", shown[-1].cursor.encode())]
        headers["Link"] = f'<{path}?{urlencode([*query, *place])}>; rel="next"'
    return Answer([body_of(entry) for entry in shown], headers)
