"""Whole lives of users, told in events: each kind of end a transcription can come to."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from domain.api_keys import API_KEYS, ApiKeyCreated, ApiKeyRevoked
from domain.events import Event
from domain.log import Address, Provenance, StreamAppend
from domain.media_file import MEDIA_FILE, FileDeleted, FileUploaded
from domain.ports import EventStore
from domain.quota import QUOTA, QuotaDebited, QuotaGranted, QuotaReleased, QuotaReserved
from domain.transcript import MediaWarning
from domain.transcription import TRANSCRIPTION, transcription_id_of
from domain.user import USER, UserErased, UserErasureRequested, UserRegistered
from tests import builders as b

ENDS: Final = ("queued", "processing", "completed", "edited", "failed", "cancelled", "repeated", "damaged")
_THE_PAST: Final = Provenance(actor="test", correlation_id=UUID(int=1))


async def happened(store: EventStore, owner_id: UUID, *events: Event) -> Address:
    """Appends events of one owner to their streams, in one step."""
    by_stream: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_stream[stream_of(event)].append(event)
    appends = [
        StreamAppend(
            stream_id=stream_id,
            owner_id=owner_id,
            expected_version=len(await store.read_stream(stream_id)),
            events=news,
        )
        for stream_id, news in by_stream.items()
    ]
    return await store.append(appends, _THE_PAST)


def stream_of(event: Event) -> str:
    match event:
        case UserRegistered() | UserErasureRequested() | UserErased():
            return USER.stream_id(event.user_id)
        case ApiKeyCreated() | ApiKeyRevoked():
            return API_KEYS.stream_id(event.user_id)
        case FileUploaded() | FileDeleted():
            return MEDIA_FILE.stream_id(event.file_id)
        case QuotaGranted() | QuotaReserved() | QuotaDebited() | QuotaReleased():
            return QUOTA.stream_id(event.user_id)
        case _:
            return TRANSCRIPTION.stream_id(event.transcription_id)


async def lived(store: EventStore, names: Sequence[str]) -> None:
    """Each name's whole life, one after the other; the ends take turns."""
    for number, name in enumerate(names):
        for step in life(name, ENDS[number % len(ENDS)]):
            await happened(store, b.identity(name), *step)
            await asyncio.sleep(0)  # Others have their turn, also beside a store in memory.


def life(name: str, end: str, file: str = "") -> list[list[Event]]:
    """What happened to a user of this name, commit by commit."""
    user_id = b.identity(name)
    file_id = b.identity(file or f"{name}'s file")
    steps: list[list[Event]] = [
        [b.registered(user_id=user_id, email=f"{name}@example.com"), b.granted(60, user_id=user_id)],
        [b.uploaded(user_id=user_id, file_id=file_id)],
    ]
    steps += _transcription(user_id, file_id, end)
    return steps


def _damaged(ids: Mapping[str, UUID]) -> list[Event]:
    """Of two minutes one could be decoded."""
    warnings = (MediaWarning(from_seconds=45.0, to_seconds=90.0),)
    heard = b.completed(user_id=ids["user_id"], transcription_id=ids["transcription_id"])
    return [
        replace(heard, result=replace(heard.result, duration_seconds=45.0, warnings=warnings)),
        replace(b.debited(1), **ids),
        replace(b.released(1), **ids),
    ]


def _transcription(user_id: UUID, file_id: UUID, end: str) -> list[list[Event]]:
    transcription_id = transcription_id_of(file_id)
    ids = {"user_id": user_id, "transcription_id": transcription_id}
    request: list[Event] = [
        replace(b.requested(), job=b.job(file_id=file_id), **ids),
        replace(b.reserved(2), **ids),
    ]
    start: list[Event] = [replace(b.started(), **ids)]
    success: list[Event] = [replace(b.completed(), **ids), replace(b.debited(2), **ids)]
    failure: list[Event] = [
        replace(b.attempt_failed(), **ids),
        replace(b.failed(), **ids),
        replace(b.released(2), **ids),
    ]
    cancel: list[Event] = [replace(b.cancelled(), **ids), replace(b.released(2), **ids)]
    courses: dict[str, list[list[Event]]] = {
        "queued": [request],
        "processing": [request, start],
        "completed": [request, start, success],
        "damaged": [request, start, _damaged(ids)],
        "edited": [request, start, success, [replace(b.edited(), **ids)]],
        "failed": [request, start, failure],
        "cancelled": [request, cancel],
        "repeated": [request, cancel, request, [replace(b.started(1), **ids)]],
    }
    return courses[end]
