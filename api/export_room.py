"""How many exports a process packs at once: one for each user, and few in all."""

from typing import Final
from uuid import UUID

from api.rejections import ComeBackLater, Overloaded

EXPORTS_AT_ONCE: Final = 4
"""In one API. Each takes a few megabytes and reads as fast as its client takes it."""
RETRY_AFTER_SECONDS: Final = 30


class ExportUnderWay(ComeBackLater):
    code = "export_under_way"

    def __init__(self) -> None:
        super().__init__("You have an export under way: wait for it to end", RETRY_AFTER_SECONDS)


class ExportRoom:
    """A place is taken before an answer begins, so that who finds none is told so."""

    def __init__(self, at_once: int = EXPORTS_AT_ONCE) -> None:
        self._at_once = at_once
        self._users: set[UUID] = set()

    def take(self, user_id: UUID) -> None:
        """Raises ExportUnderWay or Overloaded."""
        if user_id in self._users:
            raise ExportUnderWay
        if len(self._users) >= self._at_once:
            raise Overloaded("exports", RETRY_AFTER_SECONDS)
        self._users.add(user_id)

    def leave(self, user_id: UUID) -> None:
        """Again is fine."""
        self._users.discard(user_id)
