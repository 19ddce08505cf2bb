"""How much room uploads have in the spool: so many at once a user, so many bytes in all, and a share for newcomers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

from api.rejections import ComeBackLater, Overloaded
from api.upload_table import UploadTable
from infrastructure.disk import FREE_BYTES_MIN, require_space

SPOOLED_UPLOADS_MAX: Final = 8
"""How many of the largest uploads fit into the spool, unless a setting says how large it is."""
RETRY_AFTER_SECONDS: Final = 10


class TooManyUploads(ComeBackLater):
    code = "too_many_uploads"

    def __init__(self, uploads_max: int) -> None:
        super().__init__(
            f"You have {uploads_max} uploads under way, as many as are allowed at once: wait for one to end",
            RETRY_AFTER_SECONDS,
        )


class UploadRoom:
    """The spools of all API processes of a machine together.

    A user may take no more than is left for others (the dynamic thresholds of Choudhury and Hahne, 1998): one who
    takes all they can get leaves half, two leave a third, and nobody is ever shut out by a few.
    """

    def __init__(
        self,
        bytes_max: int,
        uploads_per_user: int,
        disk_bytes_kept: int = FREE_BYTES_MIN,
        table: UploadTable | None = None,
    ) -> None:
        self._bytes_max = bytes_max
        self._uploads_per_user = uploads_per_user
        self._disk_bytes_kept = disk_bytes_kept
        self._table = table or UploadTable()

    @property
    def upload_bytes_max(self) -> int:
        """What one upload can have when there is no other."""
        return self._bytes_max // 2

    @contextmanager
    def admitted(self, user_id: UUID) -> Iterator["UploadShare"]:
        """One upload, for as long as it lies in the spool. Raises TooManyUploads."""
        place = self._table.enter(user_id)
        if place is None:
            raise Overloaded("uploads", RETRY_AFTER_SECONDS)
        try:
            if len(self._table.bytes_of(user_id)) > self._uploads_per_user:
                raise TooManyUploads(self._uploads_per_user)
            yield UploadShare(self, user_id, place)
        finally:
            self._table.leave(place)

    def grow(self, user_id: UUID, place: int, before: int, total: int) -> None:
        """Raises Overloaded when the user then had more than is left for others."""
        self._table.put(place, total)
        left = self._bytes_max - self._table.bytes_in_all()
        if sum(self._table.bytes_of(user_id)) > left:
            self._table.put(place, before)
            raise Overloaded("uploads", RETRY_AFTER_SECONDS)

    def require_disk(self, folder: Path, count: int) -> None:
        """Looks at the disk itself, which others fill too. Raises OSError, as a write to a full disk does."""
        require_space(folder, count + self._disk_bytes_kept)


class UploadShare:
    """The room that one upload has been given."""

    def __init__(self, room: UploadRoom, user_id: UUID, place: int) -> None:
        self._room = room
        self._user_id = user_id
        self._place = place
        self.bytes = 0

    @property
    def bytes_max(self) -> int:
        """What it could have if there were no other."""
        return self._room.upload_bytes_max

    def grow_to(self, total: int) -> None:
        """Raises Overloaded."""
        if total > self.bytes:
            self._room.grow(self._user_id, self._place, self.bytes, total)
            self.bytes = total

    def require_disk(self, folder: Path, count: int) -> None:
        """Raises OSError."""
        self._room.require_disk(folder, count)
