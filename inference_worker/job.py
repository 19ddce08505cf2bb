"""One attempt: fetch the media, transcribe what earlier attempts have not, store the transcript."""

import asyncio
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.assumed import language_warnings
from domain.damages import damaged_ms, warnings_of
from domain.instructions import Instructions
from domain.media_errors import NotMedia
from domain.ports import ObjectMissing, ObjectStore
from domain.transcript import Damage, MediaWarning, Transcript
from domain.transcript_keys import transcript_key
from domain.transcription_events import AlignmentJob, Job, Result, TranscriptionStarted
from inference_worker import faults
from inference_worker.assembly import Assembly
from inference_worker.checkpoints import Checkpoints, fingerprint_of
from inference_worker.child_messages import Finished, Heard, Task, WindowDone
from inference_worker.faults import Fault, ScratchFull
from inference_worker.ports import RunningEngine
from inference_worker.spoken import Spoken
from inference_worker.turns import AT_ONCE, Turn
from inference_worker.windows import WindowStart
from infrastructure.disk import is_full
from infrastructure.media.timeline import tolerance_seconds
from infrastructure.object_store.patient import Patience, PatientObjectStore
from infrastructure.private_files import make_private_below
from schemas.messages import FinishedWindow
from schemas.objects import decode_instructions

FETCH_SECONDS_MAX: Final = 1800.0


class Follower(Protocol):
    """Whoever wants to know how far an attempt has come."""

    def advance(self, done_seconds: float) -> None:
        """So many seconds of the recording are done."""
        ...

    def hear(self, done_seconds: float, end_seconds: float) -> None:
        """The engine is there in a window that ends at `end_seconds`."""
        ...

    def finish(self, window: FinishedWindow) -> None:
        """This window is done and safe, by this attempt or by one before it."""
        ...


class Workplace(Struct, frozen=True, kw_only=True):
    """Where attempts are carried out; `scratch` is a private folder for what is in work.

    Without `window_seconds` windows are as long as the engine wants them.
    """

    store: ObjectStore
    scratch: Path
    window_seconds: float | None = None
    patience: Patience = Patience()
    """With the object store, during an attempt."""

    def checkpoints(self, started: TranscriptionStarted, engine: str) -> Checkpoints:
        return Checkpoints(self.store, started, fingerprint_of(started, engine, self.window_seconds))


async def carry_out(
    started: TranscriptionStarted,
    engine: RunningEngine,
    place: Workplace,
    follower: Follower,
    turn: Turn = AT_ONCE,
) -> Result:
    """Fetches and decodes at once, and has the engine for as long as its turn is. The transcript is in the object store when this returns; so are the windows, for the caller to clear.

    Raises Fault, ScratchFull, and ObjectStoreUnavailable once the store has been away for longer than the place's
    patience. Cancel it to break the attempt off; the next one resumes after the last finished window.
    """
    begun = time.monotonic()
    place = replace(place, store=PatientObjectStore(place.store, place.patience))
    await engine.make_ready()
    folder = place.scratch / uuid4().hex
    try:
        with _room_on_disk(place.scratch):
            await asyncio.to_thread(make_private_below, place.scratch, folder.name)
            media = folder / "media"
            await fetch_media(place.store, started.job, media)
            instructions = await _instructions(place.store, started.job)
            with Assembly(folder) as assembly:
                work = Work(started, place, engine, follower, assembly)
                finished = await work.transcribe(media, instructions, turn)
                turn.ends()
                result = await work.store(finished)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    worked_seconds = time.monotonic() - begun - turn.waited_seconds
    return replace(result, processing_seconds=round(worked_seconds, 3))


@contextmanager
def _room_on_disk(scratch: Path) -> Iterator[None]:
    """Raises ScratchFull when it is this worker's own disk that is full; the object store has an error of its own."""
    try:
        yield
    except OSError as problem:
        if is_full(problem):
            raise ScratchFull(scratch) from problem
        raise


async def fetch_media(store: ObjectStore, job: Job | AlignmentJob, media: Path) -> None:
    """Raises Fault. What the store says it does not have, no other worker will get from it.

    What came corrupt may have been spoiled on the way: that fault is not permanent.
    """
    try:
        async with asyncio.timeout(FETCH_SECONDS_MAX):
            await store.fetch(job.media_key, media)
    except ObjectMissing as problem:
        raise Fault(faults.MEDIA_MISSING, permanent=True) from problem
    if await asyncio.to_thread(_sha256_of, media) != job.media_sha256:
        raise Fault(faults.MEDIA_CORRUPT)


async def _instructions(store: ObjectStore, job: Job) -> Instructions:
    """Raises Fault: without what its owner asked for, it would be another transcription."""
    if job.instructions_key is None:
        return job.instructions
    try:
        return decode_instructions(await store.get(job.instructions_key))
    except (ObjectMissing, msgspec.DecodeError) as problem:
        raise Fault(faults.INSTRUCTIONS_MISSING, permanent=True) from problem


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Work:
    """The part of an attempt between the recording's arrival and the result; words go to disk window by window."""

    def __init__(
        self,
        started: TranscriptionStarted,
        place: Workplace,
        engine: RunningEngine,
        follower: Follower,
        assembly: Assembly,
    ) -> None:
        self._started = started
        self._place = place
        self._engine = engine
        self._follower = follower
        self._assembly = assembly
        self._checkpoints = place.checkpoints(started, engine.name)
        self._next = WindowStart()
        self._spoken = Spoken()

    async def transcribe(self, media: Path, instructions: Instructions, turn: Turn) -> Finished:
        """Raises Fault."""
        async with aclosing(self._checkpoints.finished()) as windows:
            async for window in windows:
                await self._take(window)
        self._follower.advance(self._next.start_ms / 1000)
        async with aclosing(self._engine.run(self._task(media, instructions), turn)) as messages:
            async for message in messages:
                match message:
                    case Heard(position_ms=position_ms, end_ms=None):
                        self._follower.advance(position_ms / 1000)
                    case Heard(position_ms=position_ms, end_ms=int(end_ms)):
                        self._follower.hear(position_ms / 1000, end_ms / 1000)
                    case WindowDone():
                        await self._checkpoints.put(message)
                        await self._take(message)
                    case Finished():
                        return message
        raise Fault(faults.ENGINE_DIED)

    async def store(self, finished: Finished) -> Result:
        """Raises Fault when nothing of the recording could be decoded."""
        account = account_of(finished, self._started.job.duration_seconds)
        if account.decoded_ms <= 0:
            raise Fault(NotMedia.code, permanent=True)
        spoken = self._spoken.language(self._started.job)
        duration_ms = max(round(self._started.job.duration_seconds * 1000), self._next.start_ms)
        frame = Transcript(
            text="",
            language=self._spoken.written(self._started.job),
            duration_ms=duration_ms,
            segments=(),
            warnings=self._language_warnings(duration_ms) + warnings_of(account.damages),
        )
        # Megabytes of words, off the event loop.
        assembled = await asyncio.to_thread(self._assembly.finish, frame=frame)
        key = transcript_key(self._started.user_id, self._started.transcription_id, assembled.sha256)
        await self._place.store.put_file(key, assembled.path)
        return Result(
            transcript_key=key,
            transcript_sha256=assembled.sha256,
            word_count=assembled.word_count,
            language=spoken.language,
            language_probability=spoken.probability,
            engine=self._engine.name,
            processing_seconds=0.0,
            duration_seconds=account.decoded_ms / 1000,
            warnings=frame.warnings,
        )

    def _language_warnings(self, duration_ms: int) -> tuple[MediaWarning, ...]:
        """Where no words are, none can be in the wrong language."""
        if self._spoken.main is None:
            return ()
        return language_warnings(self._started.job.language, self._engine.abilities, duration_ms / 1000)

    def _task(self, media: Path, instructions: Instructions) -> Task:
        job = self._started.job
        return Task(
            media=str(media),
            duration_seconds=job.duration_seconds,
            instructions=instructions,
            window_seconds=self._place.window_seconds,
            begin=self._next,
            before=dict(self._spoken.seconds),
        )

    async def _take(self, window: WindowDone) -> None:
        await asyncio.to_thread(self._assembly.add, window)
        self._next = WindowStart(index=window.index + 1, start_ms=window.end_ms)
        self._spoken.add(window)
        self._follower.advance(window.end_ms / 1000)
        self._follower.finish(
            FinishedWindow(
                index=window.index,
                start_ms=window.start_ms,
                end_ms=window.end_ms,
                key=self._checkpoints.key_of(window.index),
            )
        )


class Account(Struct, frozen=True, kw_only=True):
    """How much of a recording there was to hear, and where there was nothing though there should have been."""

    decoded_ms: int
    damages: tuple[Damage, ...]


def account_of(finished: Finished, announced_seconds: float) -> Account:
    """A recording that ends too early, by more than two measures of it may differ, is damaged from there on."""
    end_ms = round(finished.decoded_seconds * 1000)
    damages = finished.damages
    if announced_seconds - finished.decoded_seconds > tolerance_seconds(announced_seconds):
        damages += (Damage(start_ms=end_ms, end_ms=round(announced_seconds * 1000)),)
    lost_ms = min(round(finished.lost_seconds * 1000), damaged_ms(damages, end_ms))
    return Account(decoded_ms=end_ms - lost_ms, damages=damages)
