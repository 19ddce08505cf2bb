"""What happened before a test begins, told in events."""

from collections.abc import Sequence
from uuid import UUID

from domain.events import Event
from domain.log import Provenance, StreamAppend
from domain.media_file import MEDIA_FILE
from domain.ports import EventStore
from domain.quota import QUOTA
from domain.transcription import TRANSCRIPTION
from infrastructure.memory import InMemoryEventStore
from tests.builders import ANNA, FILE, granted, requested, reserved, uploaded
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID

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


async def quota_of(store: InMemoryEventStore, user_id: UUID = ANNA) -> tuple[int, int, int]:
    """Minutes available, reserved and debited."""
    quota = QUOTA.fold(await store.read_stream(QUOTA.stream_id(user_id)))  # type: ignore[arg-type]  # its own events
    return quota.minutes_available, quota.minutes_reserved, quota.minutes_debited


def types_of(events: Sequence[Event]) -> list[str]:
    return [type(event).__name__ for event in events]
