"""One transcription that somebody in this process listens to, as it was seen last."""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from projections.live import KnownWindows, Seen, WindowRow
from projections.transcriptions import TranscriptionView

CUT_CHARACTERS: Final = 8

Following = TypeVar("Following")


class Followed(Generic[Following]):
    """Shared by all its listeners, so that it is asked for once."""

    __slots__ = ("_attempt", "_end", "_folder", "_windows", "followings", "view", "was_seen")

    def __init__(self) -> None:
        self.followings: set[Following] = set()
        self.view: TranscriptionView | None = None
        self.was_seen = False
        self._forget_windows()

    def _forget_windows(self) -> None:
        self._windows: dict[int, WindowRow] = {}
        self._end = self._attempt = 0
        self._folder = ""

    @property
    def cut(self) -> str:
        """Names the way in which it was cut into windows; short, since it is sent with each event."""
        return self._folder.rpartition("/")[2][:CUT_CHARACTERS]

    @property
    def known(self) -> KnownWindows:
        return KnownWindows(self._end, self._attempt)

    def take(self, seen: Seen) -> None:
        before, self.view = self.view, seen.view
        self.was_seen = self.was_seen or seen.view is not None
        if before and (seen.view is None or seen.view.requested_at != before.requested_at):
            self._forget_windows()
        self._take_windows(sorted(seen.windows, key=lambda window: window.attempt))

    def _take_windows(self, windows: Iterable[WindowRow]) -> None:
        """Of windows in another folder, which another engine has cut, those of the later attempt count."""
        for window in windows:
            folder = window.key.rpartition("/")[0]
            if folder != self._folder:
                if window.attempt < self._attempt:
                    continue
                self._forget_windows()
                self._folder = folder
            self._windows[window.index] = window
            self._end = max(self._end, window.index + 1)
            self._attempt = max(self._attempt, window.attempt)

    def window_from(self, index: int) -> WindowRow | None:
        """The first that has at least this index; one in between may be missing, when the report of it was lost."""
        return next(
            (self._windows[each] for each in range(index, self._end) if each in self._windows), None
        )
