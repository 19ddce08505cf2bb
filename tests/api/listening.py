"""Read models in memory for those who listen, and a folder of finished windows."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
from msgspec.structs import replace

from api.live import Live
from api.live_limits import LiveLimits
from api.window_texts import WindowTexts
from domain.instructions import Instructions
from domain.ports import ObjectStoreUnavailable
from domain.transcript import Segment, Word
from domain.transcription import ACTIVE, Status
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.postgres.errors import DatabaseUnavailable
from projections.live import Arrival, KnownWindows, Seen, Stretch, Touched, WindowRow
from projections.transcriptions import NO_WARNINGS, TranscriptionView
from schemas.objects import window_key
from schemas.partitions import partition_of
from tests.builders import ANNA, NOON

PARTITIONS = 4
QUICK = LiveLimits(pace_seconds=0.0, pause_seconds=0.01)


def queued(*, user_id: UUID = ANNA, transcription_id: UUID | None = None) -> TranscriptionView:
    return TranscriptionView(
        id=transcription_id or uuid4(),
        file_id=uuid4(),
        user_id=user_id,
        status=Status.QUEUED,
        attempt=0,
        failure_reason=None,
        transcript_key=None,
        transcript_sha256=None,
        revision=0,
        word_count=None,
        language=None,
        created_at=NOON,
        updated_at=NOON,
        completed_at=None,
        processing_time_seconds=None,
        instructions=msgspec.json.encode(Instructions()).decode(),
        language_probability=None,
        requested_at=NOON,
        warnings=NO_WARNINGS,
        progress_percentage=0,
        owner_leaves=False,
        estimated_count=0,
        alignment_attempt=0,
        aligner_id=None,
    )


class Objects(FolderObjectStore):
    """Counts what is asked for; away it answers nothing."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: Counter[str] = Counter()
        self.away = False

    async def get(self, key: str) -> bytes:
        self.asked[key] += 1
        if self.away:
            raise ObjectStoreUnavailable("away, says the test")
        return await super().get(key)


class World:
    """Implements Looks over what it is told; `looked_at` counts rows and events that looks had to read."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.views: dict[UUID, TranscriptionView] = {}
        self.windows: dict[UUID, dict[int, WindowRow]] = {}
        self.log: defaultdict[int, list[Touched]] = defaultdict(list)
        self.away = False
        self.looked_at = 0
        self.looks = 0
        self._hearers: list[Live] = []

    @contextmanager
    def heard_by(self, live: Live) -> Iterator[None]:
        self._hearers.append(live)
        yield
        self._hearers.remove(live)

    # What happens

    def has(self, view: TranscriptionView, **changes: Any) -> TranscriptionView:
        """The view with the changes; an event brought it about."""
        moved = replace(view, updated_at=view.updated_at + timedelta(seconds=1), **changes)
        self.views[moved.id] = moved
        self._append(Touched(moved.user_id, moved.id))
        return moved

    def has_lost(self, view: TranscriptionView) -> None:
        del self.views[view.id]
        self._append(Touched(view.user_id, view.id))

    def is_to_erase(self, user_id: UUID) -> None:
        self._append(Touched(user_id, None))

    async def heard(
        self, view: TranscriptionView, index: int, text: str, *, cut: str = "cut", attempt: int = 1
    ) -> None:
        """A window is finished, and the dispatcher has noted it."""
        key = window_key(view.user_id, view.id, cut, index)
        word = Word(text=text, start_ms=0, end_ms=1)
        stored = {"type": "WindowDone", "index": index, "segments": [Segment(words=(word,))]}
        await self.objects.put(key, msgspec.json.encode(stored))
        row = WindowRow(attempt, index, 1_000 * index, 1_000 * (index + 1), key)
        self.windows.setdefault(view.id, {})[index] = row
        for live in self._hearers:
            live.progressed([(view.user_id, view.id)])

    def _append(self, touched: Touched) -> None:
        partition = partition_of(touched.owner_id, PARTITIONS)
        self.log[partition].append(touched)
        for live in self._hearers:
            live.moved({partition: len(self.log[partition])})

    # How it is looked at

    @property
    def heads(self) -> Mapping[int, int]:
        return {partition: len(events) for partition, events in self.log.items()}

    async def reached(self) -> Mapping[int, int]:
        self._require_here()
        return self.heads

    async def touched(self, stretches: Sequence[Stretch]) -> Sequence[Touched]:
        self._require_here()
        found = [
            touched for each in stretches for touched in self.log[each.partition][each.after : each.upto]
        ]
        self.looked_at += len(found)
        return found

    async def recent(self, arrivals: Sequence[Arrival]) -> Sequence[tuple[int, UUID]]:
        self._require_here()
        return [
            (number, key)
            for number, each in enumerate(arrivals)
            for key in [*self._shown_to(each), *self._lost_since(each)]
        ]

    def _shown_to(self, arrival: Arrival) -> list[UUID]:
        return [
            key
            for key, view in self.views.items()
            if view.user_id == arrival.user_id and (view.status in ACTIVE or self._is_news(key, arrival))
        ]

    def _lost_since(self, arrival: Arrival) -> set[UUID]:
        news = self.log[arrival.partition][arrival.after :] if arrival.after else []
        about = {each.transcription_id for each in news if each.owner_id == arrival.user_id}
        return {key for key in about if key is not None and key not in self.views}

    def _is_news(self, key: UUID, arrival: Arrival) -> bool:
        news = self.log[arrival.partition][arrival.after :]
        return arrival.after > 0 and any(touched.transcription_id == key for touched in news)

    async def seen(self, known: Mapping[UUID, KnownWindows]) -> Mapping[UUID, Seen]:
        self._require_here()
        self.looked_at += len(known)
        return {
            key: Seen(
                self.views.get(key),
                [
                    row
                    for row in self.windows.get(key, {}).values()
                    if row.index >= windows.next_index or row.attempt > windows.attempt
                ],
            )
            for key, windows in known.items()
        }

    def _require_here(self) -> None:
        self.looks += 1
        if self.away:
            raise DatabaseUnavailable("away, says the test")


def live_over(world: World, limits: LiveLimits = QUICK) -> Live:
    return Live(world, WindowTexts(world.objects), PARTITIONS, limits)
