"""Finished windows of a transcription, kept in the object store until the whole is finished."""

from collections.abc import AsyncGenerator
from hashlib import sha256
from typing import Final

import msgspec

from domain.ports import ObjectMissing, ObjectStore
from domain.transcription_events import TranscriptionStarted
from inference_worker.child_messages import WindowDone, decode_window
from schemas.objects import window_key

CUTTING: Final = "pauses-1"
"""Names the way windows are cut and stored; a new name leaves windows of the old way aside."""


def fingerprint_of(started: TranscriptionStarted, engine: str, window_seconds: float | None) -> str:
    """Two attempts whose fingerprints are equal may use each other's windows.

    Engines with one name want windows of one length, and cut them so where no other is given.
    """
    job = started.job
    told = job.instructions_key or job.instructions  # Each request has a key of its own.
    facts = (job.media_sha256, engine, told, window_seconds, CUTTING)
    return sha256(msgspec.json.encode(facts)).hexdigest()[:32]


class Checkpoints:
    """The windows of one transcription with one fingerprint."""

    def __init__(self, store: ObjectStore, started: TranscriptionStarted, fingerprint: str) -> None:
        self._store = store
        self._started = started
        self._fingerprint = fingerprint

    async def finished(self) -> AsyncGenerator[WindowDone, None]:
        """The windows from the beginning on, each starting where the last one ended.

        Two attempts at once (one has lost its lease and does not know) may have cut differently; then the
        windows do not fit each other, and those that follow the misfit are not used.
        """
        index = end_ms = 0
        while (window := await self._find(index)) is not None and window.start_ms == end_ms:
            yield window
            index, end_ms = index + 1, window.end_ms

    async def put(self, window: WindowDone) -> None:
        await self._store.put(self.key_of(window.index), msgspec.json.encode(window))

    async def clear(self) -> None:
        """Deletes them from the last to the first, so that what is left after a crash still fits together."""
        count = 0
        while await self._store.exists(self.key_of(count)):
            count += 1
        for index in reversed(range(count)):
            await self._store.delete(self.key_of(index))

    async def _find(self, index: int) -> WindowDone | None:
        try:
            return decode_window(await self._store.get(self.key_of(index)))
        except (ObjectMissing, msgspec.DecodeError):
            return None

    def key_of(self, index: int) -> str:
        started = self._started
        return window_key(started.user_id, started.transcription_id, self._fingerprint, index)
