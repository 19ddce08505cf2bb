"""What one process of writers gets through: appends to new streams, or one user's commands through their handlers.

`python -m benchmarks.writers URL KIND CALLERS SECONDS [USER]` is such a process: it says `ready`, waits for a line, and
prints its commands per second.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import uvloop

from commands.cancel_transcription import cancel_transcription
from commands.request_transcription import request_transcription
from commands.turns import TooManyAtOnce
from domain.events import Event
from domain.log import Provenance, StreamAppend
from domain.media_file import MEDIA_FILE, FileUploaded
from domain.ports import EventStore
from domain.quota import QUOTA, QuotaGranted
from domain.transcription import transcription_id_of
from domain.transcription_commands import CancelTranscription
from infrastructure.postgres.pool import create_pool
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.process import collect_rarely
from tests.keys import keys_on

PARTITIONS: Final = 8
CONNECTIONS_MAX: Final = 16
"""As in an API process."""
NEW_STREAMS: Final = "new-streams"
ONE_USER: Final = "one-user"
MINUTES: Final = 1_000_000

Once = Callable[[], Awaitable[object]]


async def rate(callers: Sequence[Once], seconds: float) -> float:
    """Calls per second when each caller calls one after the other for so long."""
    ends_at = time.perf_counter() + seconds

    async def call(once: Once) -> int:
        calls = 0
        while time.perf_counter() < ends_at:
            with suppress(TooManyAtOnce):  # It changed nothing, so it does not count.
                await once()
                calls += 1
        return calls

    began = time.perf_counter()
    total = sum(await asyncio.gather(*map(call, callers)))
    return total / (time.perf_counter() - began)


async def append_one(store: EventStore) -> None:
    """One event to a stream of its own."""
    user_id = uuid4()
    await store.append(
        [stream(QUOTA.stream_id(user_id), user_id, [_granted(user_id)])], provenance_of(user_id)
    )


class Person:
    """A user with plenty of minutes and a file, who requests its transcription and cancels it, again and again."""

    def __init__(self, store: EventStore, user_id: UUID) -> None:
        self._store = store
        self._user_id = user_id
        self._file_id = uuid4()
        self._has_requested = False

    async def arrive(self) -> None:
        file = FileUploaded(
            file_id=self._file_id,
            user_id=self._user_id,
            filename="note.wav",
            media_key=f"media/{self._file_id}",
            media_sha256="ab" * 32,
            size_bytes=1,
            duration_seconds=59.0,
            uploaded_at=datetime.now(UTC),
        )
        entry = stream(MEDIA_FILE.stream_id(self._file_id), self._user_id, [file])
        await self._store.append([entry], provenance_of(self._user_id))

    async def command(self) -> None:
        now, provenance = datetime.now(UTC), provenance_of(self._user_id)
        if self._has_requested:
            cancel = CancelTranscription(
                transcription_id=transcription_id_of(self._file_id), user_id=self._user_id, cancelled_at=now
            )
            await cancel_transcription(cancel, self._store, provenance)
        else:
            await request_transcription(self._file_id, self._user_id, now, self._store, provenance)
        self._has_requested = not self._has_requested


async def person(store: EventStore, user_id: UUID) -> Person:
    arrived = Person(store, user_id)
    await arrived.arrive()
    return arrived


async def grant_minutes(store: EventStore, user_id: UUID) -> None:
    await store.append(
        [stream(QUOTA.stream_id(user_id), user_id, [_granted(user_id)])], provenance_of(user_id)
    )


def stream(stream_id: str, owner_id: UUID, events: Sequence[Event], at: int = 0) -> StreamAppend:
    return StreamAppend(stream_id=stream_id, owner_id=owner_id, expected_version=at, events=events)


def provenance_of(user_id: UUID) -> Provenance:
    return Provenance(actor="benchmark", correlation_id=user_id)


def _granted(user_id: UUID) -> QuotaGranted:
    return QuotaGranted(user_id=user_id, grant_id=user_id, minutes=MINUTES, granted_at=datetime.now(UTC))


async def _main(url: str, kind: str, callers: int, seconds: float, user: str) -> None:
    async with (
        await create_pool(url, size_max=CONNECTIONS_MAX) as pool,
        PostgresEventStore(pool, PARTITIONS, keys_on(pool)) as store,
    ):
        if kind == NEW_STREAMS:
            each: list[Once] = [lambda: append_one(store)] * callers
        else:
            each = [(await person(store, UUID(user))).command for _ in range(callers)]
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(await rate(each, seconds), flush=True)


if __name__ == "__main__":
    uvloop.install()
    collect_rarely()
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]))
