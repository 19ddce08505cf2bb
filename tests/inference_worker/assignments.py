"""Recordings in an object store, and assignments to transcribe them."""

import hashlib
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from domain.instructions import Instructions
from domain.ports import ObjectStore
from domain.transcription_events import Job, TranscriptionCancelled, TranscriptionStarted
from schemas.objects import encode_instructions, instructions_key, media_key
from tests.builders import ANNA, FILE, NOON, TRANSCRIPTION, WORKER, identity
from tests.media import write_tone


async def store_media(store: ObjectStore, content: bytes, *, duration_seconds: float) -> Job:
    digest = hashlib.sha256(content).hexdigest()
    await store.put(media_key(ANNA, FILE, digest), content)
    return Job(
        file_id=FILE,
        media_key=media_key(ANNA, FILE, digest),
        media_sha256=digest,
        duration_seconds=duration_seconds,
    )


async def store_tone(store: ObjectStore, folder: Path, *, seconds: float) -> Job:
    tone = write_tone(folder / "tone", seconds=seconds)
    return await store_media(store, tone.read_bytes(), duration_seconds=seconds)


async def told_by(store: ObjectStore, job: Job, instructions: Instructions) -> Job:
    """The job as a worker gets it, with what the engine is to be told where the job says."""
    key = instructions_key(ANNA, TRANSCRIPTION, identity("request"))
    await store.put(key, encode_instructions(instructions))
    return replace(job, language=instructions.language, instructions_key=key)


def assigned(
    job: Job,
    attempt: int = 1,
    *,
    transcription_id: UUID = TRANSCRIPTION,
    worker_id: UUID = WORKER,
) -> TranscriptionStarted:
    return TranscriptionStarted(
        transcription_id=transcription_id,
        user_id=ANNA,
        attempt=attempt,
        worker_id=worker_id,
        job=job,
        started_at=NOON,
    )


def withdrawn(attempt: int = 1, *, transcription_id: UUID = TRANSCRIPTION) -> TranscriptionCancelled:
    return TranscriptionCancelled(
        transcription_id=transcription_id,
        user_id=ANNA,
        attempt=attempt,
        worker_id=WORKER,
        cancelled_at=NOON,
    )
