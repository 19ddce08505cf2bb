"""Indexes transcripts for whoever searches them: beside the projector, which waits neither for it nor for the object store."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from typing import Final, Never, TypeAlias

import asyncpg
from msgspec import DecodeError, Struct

from domain.ports import ObjectMissing, ObjectStore, ObjectStoreUnavailable
from infrastructure.complaints import Complaints
from infrastructure.mendable import Mendable
from infrastructure.postgres.errors import OUTAGES
from infrastructure.telemetry.fingerprints import fingerprint_of
from infrastructure.waiting import Wait
from projections.configurations import configuration_of
from projections.passages import Passage, passages_of
from projections.spoken_index import SpokenIndex, Superseded, Unindexed
from schemas.objects import TranscriptOutline, decode_outline, segments_of

log: Final = logging.getLogger(__name__)

CLAIMED_MAX: Final = 4
MENDING_SECONDS: Final = 60.0
"""Somebody has to mend it."""
PASSAGES_AT_ONCE: Final = 10
"""A few milliseconds each, off the event loop; so a transcript of ten hours is never in memory as words."""


OpenObjects: TypeAlias = Callable[[], AbstractAsyncContextManager[ObjectStore]]


class IndexingLimits(Struct, frozen=True, kw_only=True):
    claim_seconds: float = 60.0
    """Within which a transcript of ten hours is indexed; whoever was killed is followed after it."""
    look_seconds: float = 5.0
    """How often to look when nothing was heard."""
    pause_seconds: float = 0.2
    """Between two looks, however often something is heard."""
    retry_seconds: float = 3600.0
    """A transcript that is not to be found may come back with a backup."""
    outage_seconds: float = 5.0
    sweep_seconds: float = 600.0


async def keep_indexing(
    open_objects: OpenObjects,
    index: SpokenIndex,
    woken: asyncio.Event,
    limits: IndexingLimits | None = None,
) -> Never:
    """Whatever is wrong with the object store, and with how it is set, read models go on."""
    while True:
        try:
            async with open_objects() as objects:
                await Indexer(index, objects, woken, limits).run()
        except Mendable as problem:
            log.warning("transcripts are not indexed, so that searches find nothing new: %s", problem)
            await asyncio.sleep(MENDING_SECONDS)


class Indexer:
    """Any number of processes may: each takes what no other has in hand. Two with the same in hand do no harm.

    `woken` is set by whoever has heard that a transcript may have come or changed.
    """

    def __init__(
        self,
        index: SpokenIndex,
        objects: ObjectStore,
        woken: asyncio.Event,
        limits: IndexingLimits | None = None,
    ) -> None:
        self._index = index
        self._objects = objects
        self._limits = limits or IndexingLimits()
        self._configurations: Collection[str] = ()
        self._sweep_at = float("-inf")
        self._woken = woken
        self._complaints = Complaints(log)
        self._needs = Wait("what indexing transcripts needs")

    async def run(self) -> Never:
        """Until cancelled. It works half of the time at most, so that the projector keeps its pace."""
        while True:
            self._woken.clear()
            began = time.monotonic()
            if await self._unless_away():
                await asyncio.sleep(time.monotonic() - began)
            else:
                await self._rest()

    async def _rest(self) -> None:
        await asyncio.sleep(self._limits.pause_seconds)
        try:
            async with asyncio.timeout(self._limits.look_seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _unless_away(self) -> bool:
        """Whether there was something to do."""
        try:
            has_worked = await self.index_due()
            await self._sweep()
            self._needs.is_over()
        except (*OUTAGES, ObjectStoreUnavailable) as problem:
            self._needs.goes_on(type(problem).__name__)
            await asyncio.sleep(self._limits.outage_seconds)
            return False
        return has_worked

    async def _sweep(self) -> None:
        if time.monotonic() >= self._sweep_at:
            await self._index.sweep()
            self._sweep_at = time.monotonic() + self._limits.sweep_seconds

    async def index_due(self) -> bool:
        """Whether there was something to index. Raises ObjectStoreUnavailable, and what was not indexed is due again."""
        self._configurations = self._configurations or await self._index.configurations()
        claimed = await self._index.claim(CLAIMED_MAX, self._limits.claim_seconds)
        for place, transcript in enumerate(claimed):
            try:
                await self._index_alone(transcript)
            except ObjectStoreUnavailable:
                for each in claimed[place:]:
                    await self._index.put_off(each, 0)
                raise
        return bool(claimed)

    async def _index_alone(self, transcript: Unindexed) -> None:
        """What goes wrong with one keeps no other waiting."""
        try:
            await self._replace(transcript)
        except (Superseded, asyncpg.UniqueViolationError):
            """Somebody else sees to it, or nobody has to any more."""
        except (*OUTAGES, ObjectStoreUnavailable):
            raise
        except Exception as problem:  # noqa: BLE001  # told without its message, which may be somebody's words
            place = type(problem).__name__ if _is_lost(problem) else fingerprint_of(problem).text
            self._complaints.warn(
                str(transcript.transcription_id),
                "the transcript of %s cannot be searched for now: %s",
                transcript.transcription_id,
                place,
            )
            await self._index.put_off(transcript, self._limits.retry_seconds)

    async def _replace(self, transcript: Unindexed) -> None:
        content = await self._objects.get(transcript.transcript_key)
        outline = await asyncio.to_thread(decode_outline, content)
        configuration = configuration_of(transcript.language, self._configurations)
        await self._index.replace(transcript, configuration, _in_parts(outline))


def _is_lost(problem: Exception) -> bool:
    return isinstance(problem, ObjectMissing | DecodeError)


async def _in_parts(outline: TranscriptOutline) -> AsyncIterator[Sequence[Passage]]:
    passages = passages_of(segments_of(outline))
    while part := await asyncio.to_thread(_next, passages):
        yield part


def _next(passages: Iterator[Passage]) -> Sequence[Passage]:
    return list(islice(passages, PASSAGES_AT_ONCE))
