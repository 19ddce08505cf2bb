"""One attempt: fetch the media, transcribe what earlier attempts have not, store the transcript."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from itertools import chain
from pathlib import Path
from typing import Final
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from domain.errors import TruncatedMedia
from domain.ports import ObjectMissing, ObjectStore
from domain.transcript import Transcript, transcript_of
from domain.transcript_keys import transcript_key
from domain.transcription_events import Result, TranscriptionStarted
from inference_worker import faults
from inference_worker.checkpoints import Checkpoints, fingerprint_of
from inference_worker.child_messages import Finished, Heard, Task, WindowDone
from inference_worker.faults import Fault
from inference_worker.ports import RunningEngine
from inference_worker.spoken import language_spoken, language_written, spoken_in
from inference_worker.windows import WindowStart
from infrastructure.media.extent import tolerance_seconds
from infrastructure.object_store.patient import Patience, PatientObjectStore
from schemas.objects import encode_transcript

FETCH_SECONDS_MAX: Final = 1800.0

Progress = Callable[[float], None]
"""Told how many seconds of the recording are done."""


class Workplace(Struct, frozen=True, kw_only=True):
    """Where attempts are carried out; `scratch` is a private folder for media in work."""

    store: ObjectStore
    scratch: Path
    window_seconds: float
    patience: Patience = Patience()
    """With the object store, during an attempt."""

    def checkpoints(self, started: TranscriptionStarted, engine: str) -> Checkpoints:
        return Checkpoints(self.store, started, fingerprint_of(started, engine, self.window_seconds))


async def carry_out(
    started: TranscriptionStarted, engine: RunningEngine, place: Workplace, progress: Progress
) -> Result:
    """The transcript is in the object store when this returns; so are the windows, for the caller to clear.

    Raises Fault, and ObjectStoreUnavailable once the store has been away for longer than the place's patience.
    Cancel it to break the attempt off; the next one resumes after the last finished window.
    """
    begun = time.monotonic()
    place = replace(place, store=PatientObjectStore(place.store, place.patience))
    await engine.make_ready()
    media = place.scratch / uuid4().hex
    try:
        await _fetch(place.store, started, media)
        windows = await _transcribe(started, media, engine, place, progress)
    finally:
        await asyncio.to_thread(media.unlink, missing_ok=True)
    transcript = _assemble(started, windows)
    result = await _store(started, transcript, engine.name, place.store, begun)
    spoken = language_spoken(started.job, windows)
    return replace(result, language=spoken.language, language_probability=spoken.probability)


async def _fetch(store: ObjectStore, started: TranscriptionStarted, media: Path) -> None:
    """Raises Fault. What the store says it does not have, no other worker will get from it.

    What came corrupt may have been spoiled on the way: that fault is not permanent.
    """
    try:
        async with asyncio.timeout(FETCH_SECONDS_MAX):
            await store.fetch(started.job.media_key, media)
    except ObjectMissing as problem:
        raise Fault(faults.MEDIA_MISSING, permanent=True) from problem
    if await asyncio.to_thread(_sha256_of, media) != started.job.media_sha256:
        raise Fault(faults.MEDIA_CORRUPT)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _transcribe(
    started: TranscriptionStarted,
    media: Path,
    engine: RunningEngine,
    place: Workplace,
    progress: Progress,
) -> Sequence[WindowDone]:
    checkpoints = place.checkpoints(started, engine.name)
    windows = await checkpoints.load()
    done_ms = windows[-1].end_ms if windows else 0
    progress(done_ms / 1000)
    task = Task(
        media=str(media),
        duration_seconds=started.job.duration_seconds,
        instructions=started.job.instructions,
        window_seconds=place.window_seconds,
        begin=WindowStart(index=len(windows), start_ms=done_ms),
        before=spoken_in(windows).seconds,
    )
    async with aclosing(engine.run(task)) as messages:
        async for message in messages:
            match message:
                case Heard():
                    progress(message.position_ms / 1000)
                case WindowDone():
                    await checkpoints.put(message)
                    windows.append(message)
                    progress(message.end_ms / 1000)
                case Finished():
                    _require_whole(message.decoded_seconds, started.job.duration_seconds)
    return windows


def _require_whole(decoded_seconds: float, duration_seconds: float) -> None:
    """Half a recording never passes as a success. Raises Fault."""
    if abs(decoded_seconds - duration_seconds) > tolerance_seconds(duration_seconds):
        raise Fault(TruncatedMedia.code, permanent=True)


def _assemble(started: TranscriptionStarted, windows: Sequence[WindowDone]) -> Transcript:
    segments = tuple(chain.from_iterable(window.segments for window in windows))
    return transcript_of(
        segments,
        language=language_written(started.job, windows),
        duration_ms=max(
            round(started.job.duration_seconds * 1000), *(window.end_ms for window in windows), 0
        ),
    )


async def _store(
    started: TranscriptionStarted,
    transcript: Transcript,
    engine: str,
    store: ObjectStore,
    begun: float,
) -> Result:
    content, digest = encode_transcript(transcript)
    key = transcript_key(started.user_id, started.transcription_id, digest)
    await store.put(key, content)
    return Result(
        transcript_key=key,
        transcript_sha256=digest,
        word_count=transcript.word_count,
        language=transcript.language,
        engine=engine,
        processing_seconds=round(time.monotonic() - begun, 3),
    )
