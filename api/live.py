"""Tells listeners of changes: one look at the database serves all of this process, and only when something has changed."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Never, Self, TypeVar
from uuid import UUID

from api.followed import Followed
from api.following import Following
from api.listeners import Listeners
from api.live_limits import RETRY_AFTER_SECONDS, LiveLimits, TooManyListeners
from api.live_looks import Looks
from api.live_position import BEGINNING, Position
from api.rejections import Overloaded
from api.window_texts import WindowTexts
from infrastructure.complaints import Complaints
from infrastructure.postgres.errors import OUTAGES
from infrastructure.telemetry.fingerprints import fingerprint_of
from projections.live import (
    PROGRESS_CHANNEL,
    Arrival,
    Seen,
    Stretch,
    Touched,
    WindowRow,
    pairs_of,
)

_LOGGER: Final = logging.getLogger(__name__)

SEEN_AT_ONCE: Final = 500
"""Transcriptions in one query."""
ARRIVALS_AT_ONCE: Final = 50
"""In one query; each may have a thousand transcriptions to look at."""

Item = TypeVar("Item")


class Live:
    """Enter it before use. `moved`, `progressed` and `missed` are for whoever hears the notifications.

    After anything went wrong everything that is followed is looked at again: listeners miss no state for it.
    """

    def __init__(
        self, looks: Looks, texts: WindowTexts, partition_count: int, limits: LiveLimits | None = None
    ) -> None:
        self._looks = looks
        self._texts = texts
        self.limits = limits or LiveLimits()
        self._listeners = Listeners(partition_count)
        self._heard: dict[int, int] = {}
        self._shown: dict[int, int] = {}
        """By partition, up to where those who listen have been handed what changed."""
        self._due: set[UUID] = set()
        self._arriving: set[Following] = set()
        self._is_lost = True
        """Whether something may have changed unheard."""
        self._woken = asyncio.Event()
        self._task: asyncio.Task[Never] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="live")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        for following in self._listeners:
            following.end()
        self._task.cancel()
        await asyncio.wait([self._task], timeout=self.limits.leave_seconds)

    @property
    def listener_count(self) -> int:
        return len(self._listeners)

    # For listeners

    @contextmanager
    def follow(
        self,
        user_id: UUID,
        transcription_id: UUID | None = None,
        since: Position = BEGINNING,
        *,
        was_there: bool = False,
    ) -> Iterator[Following]:
        """One transcription, or all of the user's; never one of anybody else's. One that is not there is waited for, unless it was there before.

        Raises TooManyListeners or Overloaded.
        """
        self._require_room(user_id)
        following = Following(self, user_id, transcription_id, since, was_there=was_there)
        self._listeners.enter(following)
        if transcription_id is None:
            self._arriving.add(following)
        else:
            self._due.add(transcription_id)
        self._woken.set()
        try:
            yield following
        finally:
            following.end()
            self._arriving.discard(following)
            self._listeners.leave(following)

    def _require_room(self, user_id: UUID) -> None:
        assert self._task is not None, "it has been entered"
        if self._task.done():
            self._task.result()  # Raises what ended it; it never ends by itself.
        if len(self._listeners.of_user(user_id)) >= self.limits.listeners_per_user:
            raise TooManyListeners(self.limits.listeners_per_user)
        if len(self._listeners) >= self.limits.listeners:
            raise Overloaded("listeners", RETRY_AFTER_SECONDS)

    def followed(self, transcription_id: UUID) -> Followed[Following]:
        return self._listeners.followed[transcription_id]

    def shown_seq(self, user_id: UUID) -> int:
        return self._shown.get(self._listeners.partition(user_id), 0)

    async def text(self, window: WindowRow) -> str | None:
        return await self._texts.text(window)

    def touch_later(self, following: Following, transcription_id: UUID) -> None:
        def touch() -> None:
            if self._listeners.holds(following, transcription_id):
                following.touch(transcription_id)

        asyncio.get_running_loop().call_later(self.limits.pause_seconds, touch)

    def release(self, following: Following, transcription_id: UUID) -> None:
        self._listeners.detach(following, transcription_id)

    # For whoever hears the notifications

    @property
    def channels(self) -> Mapping[str, Callable[[str], None]]:
        return {PROGRESS_CHANNEL: lambda payload: self.progressed(pairs_of(payload))}

    def moved(self, seqs: Mapping[int, int]) -> None:
        """All read models have folded these partitions up to there."""
        self._heard |= {
            partition: max(seq, self._heard.get(partition, 0)) for partition, seq in seqs.items()
        }
        if not self._listeners.partitions.isdisjoint(seqs):
            self._woken.set()

    def progressed(self, pairs: Iterable[tuple[UUID, UUID]]) -> None:
        """Of these users and transcriptions there is more progress, or a finished window."""
        due = {key for user_id, key in pairs if self._listeners.concerned(user_id, key)}
        if due:
            self._due |= due
            self._woken.set()

    def missed(self) -> None:
        """Notifications may have been lost, or be taken back."""
        self._is_lost = True
        self._heard.clear()
        self._woken.set()

    # Looks

    async def _run(self) -> Never:
        complaints = Complaints(_LOGGER)
        while True:
            await self._woken.wait()
            self._woken.clear()
            if not len(self._listeners):
                self._is_lost = True  # Who comes next does not know what was before, and needs not.
                continue
            try:
                await self._look()
                complaints.settle("live")
            except OUTAGES as problem:
                complaints.warn("live", "listeners wait for the database: %r", problem)
                await self._pause()
            except Exception as problem:  # noqa: BLE001  # the next look may go well, and nobody else would look
                _LOGGER.error("listeners could not be told: %s", fingerprint_of(problem).text)  # noqa: TRY400  # its message may be somebody's words
                await self._pause()
            await asyncio.sleep(self.limits.pace_seconds)

    async def _pause(self) -> None:
        self._is_lost = True
        self._woken.set()
        await asyncio.sleep(self.limits.pause_seconds)

    async def _look(self) -> None:
        reached = await self._look_at_everything() if self._is_lost else await self._look_at_log()
        arrived = await self._look_at_arrivals(reached)
        due, self._due = self._due, set()
        for keys in _parts_of(list(due), SEEN_AT_ONCE):
            self._tell(await self._looks.seen({key: self.followed(key).known for key in self._still(keys)}))
        self._shown = reached
        for following in arrived:
            following.arrive()

    async def _look_at_everything(self) -> dict[int, int]:
        self._is_lost = False
        self._due |= self._listeners.followed.keys()
        self._arriving |= {each for each in self._listeners if each.transcription_id is None}
        return dict(await self._looks.reached())

    async def _look_at_log(self) -> dict[int, int]:
        """Costs as much as has happened, however many listen."""
        heard = dict(self._heard)
        moved = [
            Stretch(partition, self._shown.get(partition, 0), seq)
            for partition, seq in heard.items()
            if partition in self._listeners.partitions and seq > self._shown.get(partition, 0)
        ]
        short = [each for each in moved if each.upto - each.after <= self.limits.events_max]
        for stretch in moved:
            if stretch not in short:
                self._doubt(stretch.partition)
        if short:
            self._hear(await self._looks.touched(short))
        return {each: max(self._shown.get(each, 0), heard.get(each, 0)) for each in self._shown | heard}

    def _hear(self, touched: Iterable[Touched]) -> None:
        for each in touched:
            if each.transcription_id is None:
                for following in self._listeners.of_user(each.owner_id):
                    following.end()  # They have asked to be erased.
            elif self._listeners.concerned(each.owner_id, each.transcription_id):
                self._due.add(each.transcription_id)

    def _doubt(self, partition: int) -> None:
        """Everything that is followed there may have changed."""
        for following in self._listeners:
            if self._listeners.partition(following.user_id) == partition:
                self._due |= self._listeners.held_by(following)
                if following.transcription_id is None:
                    self._arriving.add(following)

    async def _look_at_arrivals(self, reached: Mapping[int, int]) -> Sequence[Following]:
        arriving, self._arriving = list(self._arriving), set()
        for followings in _parts_of(arriving, ARRIVALS_AT_ONCE):
            asked = [self._arrival_of(each, reached) for each in followings]
            for number, key in await self._looks.recent(asked):
                following = followings[number]
                if following in self._listeners:
                    self._listeners.attach(following, key)
                    self._due.add(key)
        return arriving

    def _arrival_of(self, following: Following, reached: Mapping[int, int]) -> Arrival:
        """Who knows more than there is knew another database, or one before a crash, and is told as a newcomer."""
        partition = self._listeners.partition(following.user_id)
        seq, newest = following.position.seq, reached.get(partition, 0)
        if 0 < seq <= newest:
            return Arrival(following.user_id, partition, seq)
        following.begin_at(newest)
        return Arrival(following.user_id, partition, 0)

    def _still(self, keys: Iterable[UUID]) -> list[UUID]:
        return [key for key in keys if key in self._listeners.followed]

    def _tell(self, seen: Mapping[UUID, Seen]) -> None:
        for key in self._still(seen):
            followed = self.followed(key)
            followed.take(seen[key])
            for following in followed.followings:
                following.touch(key)


def _parts_of(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
