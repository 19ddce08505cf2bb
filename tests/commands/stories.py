"""What happened before a test begins, told in events."""

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from domain.events import Event
from domain.log import Provenance, StreamAppend
from domain.media_file import MEDIA_FILE
from domain.ports import EventStore
from domain.quota import QUOTA
from domain.revisions import Revision, revision_of
from domain.transcript import Segment, Transcript, Word, transcript_of
from domain.transcript_keys import transcript_key
from domain.transcription import TRANSCRIPTION
from infrastructure.memory import InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from schemas.objects import decode_transcript, encode_transcript
from tests.builders import (
    ANNA,
    FILE,
    completed,
    granted,
    requested,
    reserved,
    result,
    started,
    uploaded,
)
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID

STREAM = TRANSCRIPTION.stream_id(TRANSCRIPTION_ID)
WORDS = (
    Word(text=" Hello", start_ms=0, end_ms=400, probability=0.9),
    Word(text=" word", start_ms=500, end_ms=900, probability=0.4),
)
HEARD = transcript_of([Segment(words=WORDS)], language="en", duration_ms=1_000)
THE_PAST = Provenance(actor="test", correlation_id=UUID(int=1))


async def happened(store: EventStore, stream_id: str, *events: Event, owner_id: UUID = ANNA) -> None:
    """Appends events of one owner to a stream as they are."""
    version = len(await store.read_stream(stream_id))
    append = StreamAppend(stream_id=stream_id, owner_id=owner_id, expected_version=version, events=events)
    await store.append([append], THE_PAST)


async def file_uploaded(store: InMemoryEventStore, *, minutes: int = 60) -> None:
    """Anna has `minutes` and a file that costs two."""
    await happened(store, QUOTA.stream_id(ANNA), granted(minutes))
    await happened(store, MEDIA_FILE.stream_id(FILE), uploaded())


async def transcription_queued(store: InMemoryEventStore) -> None:
    await file_uploaded(store)
    await happened(store, TRANSCRIPTION.stream_id(TRANSCRIPTION_ID), requested())
    await happened(store, QUOTA.stream_id(ANNA), reserved(2))


async def heard(
    store: InMemoryEventStore, objects: FolderObjectStore, transcript: Transcript = HEARD
) -> None:
    """A completed transcription, which says "Hello word"."""
    content, sha256 = encode_transcript(transcript)
    stored = replace(
        result(), transcript_key=transcript_key(ANNA, TRANSCRIPTION_ID, sha256), transcript_sha256=sha256
    )
    await objects.put(stored.transcript_key, content)
    await transcription_queued(store)
    await happened(store, STREAM, started(), replace(completed(), result=stored))


async def revisions(store: InMemoryEventStore) -> Sequence[Revision]:
    """All that there were, oldest first."""
    made = [revision_of(event) for event in await store.read_stream(STREAM)]  # type: ignore[arg-type]  # its own events
    return [revision for revision in made if revision is not None]


async def current(store: InMemoryEventStore, objects: FolderObjectStore) -> Transcript:
    return decode_transcript(await objects.get((await revisions(store))[-1].transcript_key))


async def quota_of(store: InMemoryEventStore, user_id: UUID = ANNA) -> tuple[int, int, int]:
    """Minutes available, reserved and debited."""
    quota = QUOTA.fold(await store.read_stream(QUOTA.stream_id(user_id)))  # type: ignore[arg-type]  # its own events
    return quota.minutes_available, quota.minutes_reserved, quota.minutes_debited


def types_of(events: Sequence[Event]) -> list[str]:
    return [type(event).__name__ for event in events]
