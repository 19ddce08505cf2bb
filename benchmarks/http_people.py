"""The same people with the same recordings in our log and in the peers' tables, so that all are asked the same."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import jwt
from msgspec import Struct
from msgspec.structs import replace

from benchmarks.writers import provenance_of, stream
from domain.events import Event
from domain.log import Decision, StreamAppend
from domain.media_file import MEDIA_FILE, FileUploaded
from domain.quota import QUOTA
from domain.transcript import Transcript
from domain.transcript_keys import transcript_key
from domain.transcription import TRANSCRIPTION, transcription_id_of
from infrastructure.master_keys import master_keys
from infrastructure.postgres.person_keys import PostgresPersonKeys
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from schemas.objects import encode_transcript, media_key
from tests import builders as b
from tests.end_to_end.installation import Installation
from tests.end_to_end.person import Person, expect
from tests.keys import keys_on

PEOPLE: Final = 16
LISTED: Final = 20
ASKABLE: Final = 500
"""Recordings of each that nobody has asked to transcribe yet."""
MINUTES: Final = 100_000
TEXT: Final = "word " * 150
"""About a minute of speech."""
WHEN: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Somebody(Struct, frozen=True, kw_only=True):
    """`listed` are files whose transcriptions are there, `askable` those without; the token is one of ours."""

    user_id: UUID
    token: str
    listed: Sequence[UUID]
    askable: Sequence[UUID]

    def peers_token(self, secret: str) -> str:
        claims = {"user_id": str(self.user_id), "iat": int(time.time()), "exp": int(time.time()) + 86_400}
        return jwt.encode(claims, secret, algorithm="HS256")


async def arrive(running: Installation, note: Path) -> list[Somebody]:
    """Registers them, and puts the rest into the log and the object store as its processes would have."""
    async with AsyncExitStack() as door:
        people = [
            await _registered(await door.enter_async_context(Person.arrives(running.url)))
            for _ in range(PEOPLE)
        ]
    objects = Path(urlsplit(running.addresses.object_store).path)
    async with (
        await create_pool(running.addresses.database_url) as pool,
        PostgresEventStore(pool, running.settings.partitions, _keys_of(running, pool)) as store,
    ):
        for each in people:
            provenance = provenance_of(each.user_id)
            decisions = [Decision([append], provenance) for append in _appends(each, note, objects)]
            await store.append_chain(decisions)
    return people


def _keys_of(running: Installation, pool: Pool) -> PostgresPersonKeys:
    return keys_on(pool, master_keys(running.settings.master_keys))


async def _registered(person: Person) -> Somebody:
    user = expect(await person.client.get("/auth/me"), 200)["user"]
    return Somebody(
        user_id=UUID(user["id"]),
        token=person.client.headers["Authorization"].removeprefix("Bearer "),
        listed=[uuid4() for _ in range(LISTED)],
        askable=[uuid4() for _ in range(ASKABLE)],
    )


def _appends(somebody: Somebody, note: Path, objects: Path) -> Iterator[StreamAppend]:
    user_id = somebody.user_id
    digest = sha256(note.read_bytes()).hexdigest()
    for file_id in [*somebody.listed, *somebody.askable]:
        key = media_key(user_id, file_id, digest)
        path = objects / key
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(note, path)
        uploaded = FileUploaded(
            file_id=file_id,
            user_id=user_id,
            filename="note.wav",
            media_key=key,
            media_sha256=digest,
            size_bytes=note.stat().st_size,
            duration_seconds=4.0,
            uploaded_at=WHEN,
        )
        yield stream(MEDIA_FILE.stream_id(file_id), user_id, [uploaded])
    for number, file_id in enumerate(somebody.listed):
        yield _transcription(user_id, file_id, WHEN + timedelta(seconds=number), objects)
    asked = [transcription_id_of(file_id) for file_id in somebody.listed]
    spent: list[Event] = []
    for each in asked:
        ids = {"user_id": user_id, "transcription_id": each}
        spent += [replace(b.reserved(1), **ids), replace(b.debited(1), **ids)]
    yield stream(QUOTA.stream_id(user_id), user_id, spent, at=1)


def _transcription(user_id: UUID, file_id: UUID, at: datetime, objects: Path) -> StreamAppend:
    """Requested, started and completed at once, so that no dispatcher ever sees it waiting."""
    transcription_id = transcription_id_of(file_id)
    ids = {"user_id": user_id, "transcription_id": transcription_id}
    content, digest = encode_transcript(
        Transcript(text=TEXT, language="en", duration_ms=4_000, segments=())
    )
    key = transcript_key(user_id, transcription_id, digest)
    path = objects / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    job = b.job(file_id=file_id, duration_seconds=4.0)
    result = replace(b.result(), transcript_key=key, transcript_sha256=digest, word_count=150)
    events: list[Event] = [
        replace(b.requested(), job=job, minutes=1, requested_at=at, **ids),
        replace(b.started(), job=job, started_at=at, **ids),
        replace(b.completed(), result=result, completed_at=at, **ids),
    ]
    return stream(TRANSCRIPTION.stream_id(transcription_id), user_id, events)


async def fill(database_url: str, people: Iterable[Somebody]) -> None:
    """The guide's tables."""
    people = list(people)
    connection = await asyncpg.connect(database_url)
    try:
        users = [(each.user_id, f"{each.user_id.hex}@example.com", "-", MINUTES) for each in people]
        await connection.copy_records_to_table(
            "users", records=users, columns=["id", "email", "password_hash", "quota_minutes"]
        )
        names = [
            "id",
            "user_id",
            "original_filename",
            "stored_filename",
            "storage_url",
            "file_size",
            "duration_seconds",
            "upload_status",
        ]
        files = [
            (file_id, each.user_id, "note.wav", "note.wav", "file:///note.wav", 128_044, 4, "uploaded")
            for each in people
            for file_id in (*each.listed, *each.askable)
        ]
        await connection.copy_records_to_table("files", records=files, columns=names)
        names = [
            "id",
            "file_id",
            "user_id",
            "status",
            "progress_percentage",
            "transcript_text",
            "created_at",
            "completed_at",
            "processing_time_seconds",
        ]
        transcriptions = [
            (transcription_id_of(file_id), file_id, each.user_id, "completed", 100, TEXT, at, at, 3)
            for each in people
            for number, file_id in enumerate(each.listed)
            for at in [WHEN + timedelta(seconds=number)]
        ]
        await connection.copy_records_to_table("transcriptions", records=transcriptions, columns=names)
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()
