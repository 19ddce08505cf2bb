"""One alignment: fetch the transcript and the recording, have the typed words found, store the transcript with their times."""

import asyncio
import shutil
from uuid import uuid4

import msgspec
from msgspec import Struct

from domain.alignment import stretches_of, with_times
from domain.ports import ObjectMissing
from domain.transcript import Transcript
from domain.transcript_keys import transcript_key
from domain.transcription_events import AlignmentStarted
from inference_worker import faults
from inference_worker.child_messages import Aligned, AlignmentTask
from inference_worker.faults import Fault
from inference_worker.job import Workplace, fetch_media
from inference_worker.ports import RunningEngine
from infrastructure.private_files import make_private_below
from schemas.objects import decode_transcript, encode_transcript


class AlignedTranscript(Struct, frozen=True, kw_only=True):
    """Where the transcript lies, and how many of its words were found."""

    transcript_key: str
    transcript_sha256: str
    word_count: int
    aligned_count: int


def nothing_found(started: AlignmentStarted) -> AlignedTranscript:
    """Of what no worker can look for."""
    return AlignedTranscript(
        transcript_key=started.job.transcript_key, transcript_sha256="", word_count=0, aligned_count=0
    )


async def carry_out_alignment(
    started: AlignmentStarted, engine: RunningEngine, place: Workplace
) -> AlignedTranscript:
    """The transcript is in the object store when this returns. Cancel it to break it off. Raises Fault or ObjectStoreUnavailable."""
    before = await _transcript(started, place)
    stretches = tuple(stretches_of(before))
    folder = place.scratch / uuid4().hex
    try:
        await asyncio.to_thread(make_private_below, place.scratch, folder.name)
        media = folder / "media"
        await fetch_media(place.store, started.job, media)
        task = AlignmentTask(
            media=str(media), duration_seconds=started.job.duration_seconds, stretches=stretches
        )
        answer = await engine.align(task) if stretches else Aligned(found=())
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    after = with_times(before, zip(stretches, answer.found, strict=True))
    content, sha256 = await asyncio.to_thread(encode_transcript, after)
    key = transcript_key(started.user_id, started.transcription_id, sha256)
    await place.store.put(key, content)
    return AlignedTranscript(
        transcript_key=key,
        transcript_sha256=sha256,
        word_count=after.word_count,
        aligned_count=_estimated_in(before) - _estimated_in(after),
    )


async def _transcript(started: AlignmentStarted, place: Workplace) -> Transcript:
    """Raises Fault."""
    try:
        content = await place.store.get(started.job.transcript_key)
        return await asyncio.to_thread(decode_transcript, content)
    except (ObjectMissing, msgspec.DecodeError) as problem:
        raise Fault(faults.MEDIA_MISSING, permanent=True) from problem


def _estimated_in(transcript: Transcript) -> int:
    return sum(word.timing == "estimated" for word in transcript.words)
