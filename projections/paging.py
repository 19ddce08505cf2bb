"""Where a page of a list ends: newest first, stable while newer entries arrive."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from domain.errors import InvalidField

_UUID_BYTES = 16


class Cursor(Struct, frozen=True):
    """The last entry a reader has seen; the next page holds what is older."""

    created_at: datetime
    id: UUID

    def encode(self) -> str:
        """Opaque text for a link."""
        return urlsafe_b64encode(self.id.bytes + self.created_at.isoformat().encode()).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """Raises InvalidField when the text is no cursor that a list gave out."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        created_at = _utc(datetime.fromisoformat(content[_UUID_BYTES:].decode()))
        return Cursor(created_at, UUID(bytes=content[:_UUID_BYTES]))
    except (ValueError, OverflowError):
        raise InvalidField("cursor", "is none that a list gave out: take it from a Link header") from None


def _utc(moment: datetime) -> datetime:
    """As the database takes it. Raises ValueError, or OverflowError for one that is in no year we count."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is no moment")
    return moment.astimezone(UTC)
