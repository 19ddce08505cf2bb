"""What one listener has not been told yet: never a backlog, but which transcriptions have changed since."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol, TypeAlias
from uuid import UUID

from msgspec import Struct

from api.followed import Followed
from api.live_position import BEGINNING, Cursor, Position
from domain.ports import ObjectStoreUnavailable
from domain.transcription import ACTIVE
from projections.live import WindowRow
from projections.transcriptions import TranscriptionView


class State(Struct, frozen=True):
    """The whole newest state; those in between may have been left out, but never the one in which it stays."""

    view: TranscriptionView

    @property
    def is_final(self) -> bool:
        return self.view.status not in ACTIVE


class WindowFinished(Struct, frozen=True, kw_only=True):
    """Text that was heard from `start_ms` to `end_ms`. One told before with the same index is replaced by it."""

    transcription_id: UUID
    index: int
    start_ms: int
    end_ms: int
    text: str


class Gone(Struct, frozen=True):
    """It was deleted."""

    transcription_id: UUID


Change: TypeAlias = State | WindowFinished | Gone


class Hub(Protocol):
    def followed(self, transcription_id: UUID) -> "Followed[Following]": ...

    def shown_seq(self, user_id: UUID) -> int:
        """Up to where all changes about this user have been handed to those who follow them."""
        ...

    async def text(self, window: WindowRow) -> str | None:
        """None where it is gone. Raises ObjectStoreUnavailable."""
        ...

    def touch_later(self, following: "Following", transcription_id: UUID) -> None: ...

    def release(self, following: "Following", transcription_id: UUID) -> None:
        """Until it changes again."""
        ...


class Following:
    """Of one transcription, or with none of all of a user. The former is over once a final state was told.

    A window comes before the final state or not at all: then the transcript has its text.
    """

    __slots__ = ("_cursors", "_end", "_has_arrived", "_hub", "_is_over", "_news", "_pending", "_seq", "_told",
        "_was_there", "transcription_id", "user_id")  # fmt: skip

    def __init__(
        self,
        hub: Hub,
        user_id: UUID,
        transcription_id: UUID | None = None,
        since: Position = BEGINNING,
        *,
        was_there: bool = False,
    ) -> None:
        self.user_id = user_id
        self._was_there = was_there
        self.transcription_id = transcription_id
        self._has_arrived = transcription_id is not None
        self._hub = hub
        self._seq = since.seq
        self._cursors = dict(since.cursors)
        self._end = 0
        self._told: dict[UUID, TranscriptionView] = {}
        self._pending: dict[UUID, None] = {}
        self._news = asyncio.Event()
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Nothing more comes: it was told, or the listener is to go."""
        return self._is_over

    @property
    def position(self) -> Position:
        """After what was told last."""
        return Position(self._seq, dict(self._cursors), self._end)

    def begin_at(self, seq: int) -> None:
        """A newcomer who is cut off at once has missed what came later: what is under way is told to all who come."""
        self._seq = max(1, seq)

    def arrive(self) -> None:
        """What was there at the beginning has been handed over."""
        self._has_arrived = True
        self._news.set()

    def touch(self, transcription_id: UUID) -> None:
        self._pending.setdefault(transcription_id)
        self._news.set()

    def end(self) -> None:
        self._is_over = True
        self._news.set()

    async def next(self, timeout_seconds: float) -> Change | None:
        """The next change; None at the timeout, and when it is over. Broken off it loses nothing."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._next()
        except TimeoutError:
            return None

    async def __aiter__(self) -> AsyncIterator[Change]:
        """Until it is over."""
        while (change := await self._next()) is not None:
            yield change

    async def _next(self) -> Change | None:
        while not self._is_over:
            self._news.clear()
            if (change := await self._take()) is not None:
                return change
            if not self._is_over:
                await self._news.wait()
        return None

    async def _take(self) -> Change | None:
        """In turns: one that changes all the time does not keep the others waiting."""
        while self._pending and not self._is_over:
            transcription_id = next(iter(self._pending))
            del self._pending[transcription_id]
            try:
                change = await self._news_of(transcription_id)
            except BaseException:
                self._pending.setdefault(transcription_id)
                raise
            if change is None or isinstance(change, Gone):
                self._leave(transcription_id)
            else:
                self._pending.setdefault(transcription_id)
            if change is not None:
                return change
        if self._has_arrived:
            self._seq = self._hub.shown_seq(self.user_id)
        return None

    async def _news_of(self, transcription_id: UUID) -> Change | None:
        followed = self._hub.followed(transcription_id)
        view = followed.view
        if view is None:
            return self._gone(transcription_id, followed)
        if view.owner_leaves:
            self.end()  # What said so may have been missed.
        if view.owner_leaves or view.user_id != self.user_id:
            return None
        told = self._told.get(view.id)
        if told != view and view.status in ACTIVE:
            return self._state(view)
        if self._wants_windows(view, told) and (window := await self._window(followed, view)) is not None:
            return window
        return self._state(view) if told != view else None

    def _wants_windows(self, view: TranscriptionView, told: TranscriptionView | None) -> bool:
        """Of one that has ended only who has heard of it before: others find all of its text in the transcript."""
        if view.status in ACTIVE:
            return True
        return told != view and (told is not None or view.id in self._cursors)

    def _gone(self, transcription_id: UUID, followed: "Followed[Following]") -> Gone | None:
        """One that is waited for alone may not be there yet."""
        if self.transcription_id is not None and not (followed.was_seen or self._was_there):
            return None
        self._is_over = self.transcription_id is not None
        return Gone(transcription_id)

    def _state(self, view: TranscriptionView) -> State:
        self._told[view.id] = view
        state = State(view)
        if state.is_final:
            self._cursors.pop(view.id, None)
        if state.is_final and self.transcription_id is not None:
            self._end = final_mark_of(view)
            self._is_over = True
        return state

    async def _window(
        self, followed: "Followed[Following]", view: TranscriptionView
    ) -> WindowFinished | None:
        """The next one that was not told; one whose text is gone is passed over."""
        while (window := followed.window_from(self._next_index(followed, view.id))) is not None:
            try:
                text = await self._hub.text(window)
            except ObjectStoreUnavailable:
                if view.status in ACTIVE:
                    self._hub.touch_later(self, view.id)
                return None
            self._cursors[view.id] = Cursor(followed.cut, window.index + 1)
            if text is not None:
                return WindowFinished(
                    transcription_id=view.id,
                    index=window.index,
                    start_ms=window.start_ms,
                    end_ms=window.end_ms,
                    text=text,
                )
        return None

    def _next_index(self, followed: "Followed[Following]", transcription_id: UUID) -> int:
        cursor = self._cursors.get(transcription_id)
        return cursor.next_index if cursor and cursor.cut == followed.cut else 0

    def _leave(self, transcription_id: UUID) -> None:
        """Of what has ended, or not begun, nothing need be kept for a listener to everything."""
        if self.transcription_id is not None or transcription_id in self._pending:
            return
        view = self._hub.followed(transcription_id).view
        if view is None or view.status != "processing":
            self._told.pop(transcription_id, None)
            self._hub.release(self, transcription_id)


def final_mark_of(view: TranscriptionView) -> int:
    """Tells this final state from any later one."""
    return int(view.updated_at.timestamp() * 1_000_000)
