"""The attempts a worker has in hand, and those it has seen."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final
from uuid import UUID

from domain.transcription_events import TranscriptionStarted
from inference_worker.estimate import Estimate
from schemas.messages import WINDOWS_MAX, FinishedWindow, Report

REMEMBERED_MAX: Final = 10_000
RENEWAL_SECONDS: Final = 1.9
"""A lease is renewed every two seconds, give or take a tick of the reporting task."""


class Attempt:
    """One assignment, from its arrival until its outcome is reported."""

    def __init__(
        self, started: TranscriptionStarted, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.started = started
        self._estimate = Estimate(monotonic)
        self.dropped = False
        self.is_resumed = False
        """Dropped, and gone on with elsewhere: what is finished of it is of use there."""
        self.outcome: Report | None = None
        """Once it is there the work is over, and nothing else is reported any more."""
        self._scope: asyncio.Timeout | None = None
        self._begun_at: float | None = None
        self._begun_with_seconds = 0.0
        self._told_seconds = -1.0
        self._told_at = 0.0
        self._untold: deque[FinishedWindow] = deque()

    def __str__(self) -> str:
        return f"attempt {self.started.attempt} of transcription {self.started.transcription_id}"

    @property
    def identity(self) -> tuple[UUID, int]:
        return self.started.transcription_id, self.started.attempt

    @property
    def has_begun(self) -> bool:
        """Whether it has a slot, or had one; before, it is prepared and waits."""
        return self._begun_at is not None

    @property
    def seconds_left(self) -> float:
        """Of the recording."""
        return self.started.job.duration_seconds - self.done_seconds

    def begin(self, now: float) -> None:
        self._begun_at, self._begun_with_seconds = now, self.done_seconds

    def taken(self, now: float) -> tuple[float, float]:
        """The seconds of sound since it began, and the seconds it took for them."""
        if self._begun_at is None:
            return 0.0, 0.0
        return self.done_seconds - self._begun_with_seconds, now - self._begun_at

    @property
    def done_seconds(self) -> float:
        """Never goes back, nor past the end; within a window it is an estimate."""
        return round(self._estimate.seconds, 3)

    def advance(self, done_seconds: float) -> None:
        self._estimate.advance(min(done_seconds, self.started.job.duration_seconds))

    def hear(self, done_seconds: float, end_seconds: float) -> None:
        whole_seconds = self.started.job.duration_seconds
        self._estimate.hear(min(done_seconds, whole_seconds), min(end_seconds, whole_seconds))

    def finish(self, window: FinishedWindow) -> None:
        self._untold.append(window)

    def windows_to_tell(self) -> tuple[FinishedWindow, ...]:
        """The finished windows that no report has named yet, as many as one report may."""
        return tuple(islice(self._untold, WINDOWS_MAX))

    def windows_told(self, count: int) -> None:
        """So many of them are in a report that is safe."""
        for _ in range(count):
            self._untold.popleft()

    def has_news(self, now: float) -> bool:
        """Whether to report progress: when there is some, and else often enough to keep the lease."""
        if self.outcome is not None or self.dropped:
            return False
        done_seconds = self.done_seconds
        if (
            not self._untold
            and done_seconds == self._told_seconds
            and now - self._told_at < RENEWAL_SECONDS
        ):
            return False
        self._told_seconds, self._told_at = done_seconds, now
        return True

    def work_in(self, scope: asyncio.Timeout) -> None:
        """From now on `drop` ends this scope, and so whatever runs in it."""
        self._scope = scope

    def drop(self, *, resumed: bool = False) -> None:
        """Nobody wants this attempt any more."""
        if self.dropped or self.outcome is not None:
            return
        self.dropped, self.is_resumed = True, resumed
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())


class Attempts:
    """At most one per transcription: the newest. Kafka may say things twice, and late."""

    def __init__(self) -> None:
        self._in_hand: dict[UUID, Attempt] = {}
        self._newest: OrderedDict[UUID, int] = OrderedDict()
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    def __iter__(self) -> Iterator[Attempt]:
        return iter(tuple(self._in_hand.values()))

    def take(self, started: TranscriptionStarted) -> Attempt | None:
        """The attempt to carry out, replacing an older one; None when it was seen before, or is outdated."""
        if started.attempt <= self._newest.get(started.transcription_id, 0):
            return None
        self._remember(started)
        if (older := self._in_hand.get(started.transcription_id)) is not None:
            older.drop()
        attempt = self._in_hand[started.transcription_id] = Attempt(started)
        self._some.set()
        self._none.clear()
        return attempt

    async def until_some(self) -> None:
        """Returns when there is one in hand."""
        await self._some.wait()

    async def until_none(self) -> None:
        """Returns when there is none in hand."""
        await self._none.wait()

    def find(self, transcription_id: UUID) -> Attempt | None:
        return self._in_hand.get(transcription_id)

    def forget(self, attempt: Attempt) -> None:
        if self._in_hand.get(attempt.started.transcription_id) is attempt:
            del self._in_hand[attempt.started.transcription_id]
        if not self._in_hand:
            self._some.clear()
            self._none.set()

    def _remember(self, started: TranscriptionStarted) -> None:
        self._newest[started.transcription_id] = started.attempt
        self._newest.move_to_end(started.transcription_id)
        if len(self._newest) > REMEMBERED_MAX:
            self._newest.popitem(last=False)
