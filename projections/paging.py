"""Where a page of a list ends: newest first, stable while newer entries arrive."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.errors import InvalidField
from infrastructure.postgres.pool import Connection

_UUID_BYTES = 16

Entry = TypeVar("Entry", bound=Struct)


class Cursor(Struct, frozen=True):
    """The last entry a reader has seen; the next page holds what is older."""

    created_at: datetime
    id: UUID

    def encode(self) -> str:
        """Opaque text for a link."""
        return urlsafe_b64encode(self.id.bytes + self.created_at.isoformat().encode()).decode().rstrip("=")


class Page(Struct, frozen=True):
    """At most `size` entries of a user's list, newest first, older than `before`."""

    user_id: UUID
    size: int
    before: Cursor | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """Of a list the entries in one of these states, if any are named, made after and before these moments, and of a file whose
    name has this in it, in whatever case. The defaults want everything.
    """

    statuses: tuple[str, ...] = ()
    after: datetime | None = None
    before: datetime | None = None
    filename: str = ""

    @property
    def arguments(self) -> tuple[object, ...]:
        """Of a query for them, after those of the page."""
        return self.statuses or None, self.after, self.before, self.filename or None


async def listed_wanted(
    connection: Connection, query: str, page: Page, wanted: Wanted, entry: type[Entry]
) -> list[Entry] | None:
    """As `listed`, for one page of those that are wanted."""
    before = (page.before.created_at, page.before.id) if page.before else (None, None)
    rows = await connection.fetch(query, page.user_id, page.size, *before, *wanted.arguments)
    return _grouped(rows, 1, entry)[0]


async def listed(
    connection: Connection, query: str, pages: Sequence[Page], entry: type[Entry]
) -> list[list[Entry] | None]:
    """The entries of each page, by one statement: its rows begin with the number of their page and go on as `entry` does.

    None for who has asked to be erased: of that page there is one row, without an entry.

    Times may come as seconds: to the microsecond they are exact for centuries.
    """
    places = [(page.before.created_at, page.before.id) if page.before else (None, None) for page in pages]
    rows = await connection.fetch(
        query,
        [page.user_id for page in pages],
        [page.size for page in pages],
        [created_at for created_at, _ in places],
        [id_ for _, id_ in places],
    )
    return _grouped(rows, len(pages), entry)


def _grouped(rows: Iterable[Any], page_count: int, entry: type[Entry]) -> list[list[Entry] | None]:
    found: list[list[Any] | None] = [[] for _ in range(page_count)]
    for number, first, *others in rows:
        entries = found[number - 1]
        if first is None or entries is None:
            found[number - 1] = None
        else:
            entries.append((first, *others))
    return msgspec.convert(found, list[list[entry] | None], strict=False)  # type: ignore[valid-type]  # known when it runs


def decode_cursor(text: str) -> Cursor:
    """Raises InvalidField when the text is no cursor that a list gave out."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        created_at = utc_of(datetime.fromisoformat(content[_UUID_BYTES:].decode()))
        return Cursor(created_at, UUID(bytes=content[:_UUID_BYTES]))
    except (ValueError, OverflowError):
        raise InvalidField("cursor", "is none that a list gave out: take it from a Link header") from None


def utc_of(moment: datetime) -> datetime:
    """As the database takes it. Raises ValueError, or OverflowError for one that is in no year we count."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is no moment")
    return moment.astimezone(UTC)
