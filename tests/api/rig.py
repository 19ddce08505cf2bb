"""The API in this process, on a real PostgreSQL, with a projector beside it and a person to use it."""

import asyncio
import struct
import tempfile
import wave
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4

import httpx
from litestar import Litestar

from api.app import create_app, open_parts
from api.parts import Parts
from api.passwords import Passwords
from commands.complete_transcription import complete_transcription
from commands.execution import execute
from commands.fail_attempt import fail_attempt
from commands.start_transcription import start_transcription
from commands.streams import Streams
from dispatcher.__main__ import migrate as migrate_dispatch
from domain.log import Address, Provenance
from domain.quota import QUOTA, ReserveQuota
from domain.transcript import Segment, Transcript, Word, transcript_of
from domain.transcript_keys import transcript_key
from domain.transcription_commands import CompleteTranscription, FailAttempt
from domain.transcription_events import Result
from evidence.tables import migrate_evidence_tables
from infrastructure.object_store import open_object_store
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.person_keys import fitting_person_keys
from infrastructure.postgres.pool import create_pool
from infrastructure.settings import Settings
from projections.indexing import IndexingLimits, keep_indexing
from projections.models import migrate as migrate_read_models
from projections.reading import Reading
from projections.runner import PROJECTED_CHANNEL
from projections.spoken_index import SpokenIndex
from schemas.objects import encode_transcript
from tests.builders import NOON, WORKER
from tests.projections.running import new_runner

Held = TypeVar("Held")

PASSWORD = "correct horse battery"
WORKER_SAYS = Provenance(actor="worker", correlation_id=UUID(int=3))
OFTEN = IndexingLimits(look_seconds=0.1, pause_seconds=0.0, outage_seconds=0.1)
WORDS = (
    Word(text=" Hello", start_ms=0, end_ms=400, probability=0.9),
    Word(text=" world.", start_ms=500, end_ms=900, probability=0.8),
)
HEARD = transcript_of([Segment(words=WORDS)], language="en", duration_ms=2_000)


@dataclass(frozen=True, slots=True)
class Installation:
    app: Litestar
    parts: Parts
    objects: Path

    def client(self, source: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, client=(source, 1))  # type: ignore[arg-type]  # two libraries' words for an ASGI application
        return httpx.AsyncClient(transport=transport, base_url="http://stenolog/v1")

    def objects_of(self, user_id: UUID | str) -> list[Path]:
        return [path for path in self.objects.rglob("*") if path.is_file() and str(user_id) in str(path)]

    async def events_of(self, user_id: UUID | str) -> list[str]:
        rows = await self.parts.read_models.fetch(
            "select type from events where owner_id = $1 order by seq", UUID(str(user_id))
        )
        return [row["type"] for row in rows]


@asynccontextmanager
async def installed(settings: Settings, folder: Path) -> AsyncIterator[Installation]:
    """The real parts, but for the password hash, which is made in a millisecond."""

    @asynccontextmanager
    async def quick_parts(settings: Settings) -> AsyncIterator[Parts]:
        async with open_parts(settings) as parts:
            yield replace(parts, passwords=Passwords(rounds=4), spool=folder)

    app = create_app(settings, quick_parts)
    async with app.lifespan():
        yield Installation(app, app.state.parts, Path(settings.object_store.removeprefix("file://")))


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Installation]:
    """Installed, with read models that follow."""
    with tempfile.TemporaryDirectory() as spool:
        async with projecting(settings), installed(settings, Path(spool)) as installation:
            yield installation


@asynccontextmanager
async def projecting(settings: Settings) -> AsyncIterator[None]:
    """A projector that reads the log itself, without Kafka, and indexes what was said."""
    async with (
        await create_pool(settings.database_url, size_max=4) as pool,
        PostgresEventLog(pool, settings.partitions) as log,
        asyncio.TaskGroup() as tasks,
    ):
        reading = Reading((await fitting_person_keys(pool, settings.master_keys)).of)
        projector = tasks.create_task(
            new_runner(pool, log, reading=reading, channel=PROJECTED_CHANNEL).run()
        )
        open_objects = partial(open_object_store, settings.object_store)
        indexing = keep_indexing(open_objects, SpokenIndex(pool), asyncio.Event(), OFTEN)
        indexer = tasks.create_task(indexing)
        yield
        projector.cancel()
        indexer.cancel()


@asynccontextmanager
async def in_one_task(context: AbstractAsyncContextManager[Held]) -> AsyncIterator[Held]:
    """A fixture is entered and left in two tasks; what holds a task group needs to be in one."""
    entered: asyncio.Future[Held] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with context as held:
            entered.set_result(held)
            await leave.wait()

    holding = asyncio.create_task(hold())
    either: list[asyncio.Future[Any]] = [entered, holding]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if holding.done():
        holding.result()
    yield entered.result()
    leave.set()
    await holding


async def migrate_all(settings: Settings) -> None:
    async with await create_pool(settings.database_url, size_max=1) as pool:
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        async with pool.acquire() as connection:
            await migrate_read_models(connection)
    await migrate_dispatch(settings)
    await migrate_evidence_tables(settings)


@dataclass(slots=True)
class Person:
    """Somebody who has registered and logged in."""

    installation: Installation
    client: httpx.AsyncClient
    email: str
    user_id: str = ""

    @classmethod
    async def arrives(cls, installation: Installation) -> Self:
        person = cls(installation, installation.client(), f"{uuid4().hex}@example.com")
        credentials = {"email": person.email, "password": PASSWORD}
        assert (await person.client.post("/auth/register", json=credentials)).status_code == 201
        answer = (await person.client.post("/auth/login", json=credentials)).json()
        person.user_id = answer["user"]["id"]
        person.client.headers["Authorization"] = f"Bearer {answer['token']}"
        return person

    async def uploads(
        self, content: bytes | None = None, filename: str = "talk.wav", **options: Any
    ) -> httpx.Response:
        files = {"file": (filename, sound() if content is None else content)}
        return await self.client.post("/files/upload", files=files, **options)

    async def has_file(self, filename: str = "talk.wav") -> str:
        answer = await self.uploads(filename=filename)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["file_id"])

    async def has_requested(self, filename: str = "talk.wav") -> str:
        answer = await self.client.post("/transcriptions", json={"file_id": await self.has_file(filename)})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["transcription_id"])

    async def has_transcript(self, filename: str = "talk.wav", heard: Transcript = HEARD) -> str:
        transcription_id = await self.has_requested(filename)
        await complete(self.installation, UUID(transcription_id), UUID(self.user_id), heard)
        return transcription_id

    async def left_nothing(self) -> bool:
        """Whether there is nothing of this person but what registering made."""
        events = await self.installation.events_of(self.user_id)
        spooled = list(self.installation.parts.spool.glob("stenolog-upload-*"))
        return (
            events == ["UserRegistered", "QuotaGranted"]
            and not spooled
            and not self.installation.objects_of(self.user_id)
        )


async def start(installation: Installation, transcription_id: UUID, user_id: UUID) -> None:
    """What the dispatcher does when a worker is free."""
    await start_transcription(transcription_id, WORKER, NOON, installation.parts.store, WORKER_SAYS)


async def complete(
    installation: Installation, transcription_id: UUID, user_id: UUID, heard: Transcript
) -> None:
    """What a worker and the dispatcher do; returns when the read models show it."""
    await start(installation, transcription_id, user_id)
    await finish(installation, transcription_id, user_id, heard)


async def finish(
    installation: Installation, transcription_id: UUID, user_id: UUID, heard: Transcript
) -> None:
    """The same of one that has started."""
    content, sha256 = encode_transcript(heard)
    key = transcript_key(user_id, transcription_id, sha256)
    await installation.parts.objects.put(key, content)
    result = Result(
        transcript_key=key,
        transcript_sha256=sha256,
        word_count=heard.word_count,
        language=heard.language,
        engine="scripted",
        processing_seconds=3.4,
        duration_seconds=heard.duration_ms / 1000,
        warnings=heard.warnings,
    )
    command = CompleteTranscription(
        transcription_id=transcription_id, attempt=1, worker_id=WORKER, result=result, completed_at=NOON
    )
    await _shown(installation, await complete_transcription(command, installation.parts.store, WORKER_SAYS))


async def fail(installation: Installation, transcription_id: UUID, user_id: UUID) -> None:
    await start(installation, transcription_id, user_id)
    await fault(installation, transcription_id)


async def fault(installation: Installation, transcription_id: UUID) -> None:
    """Ends one that has started."""
    command = FailAttempt(
        transcription_id=transcription_id, attempt=1, reason="unreadable", permanent=True, failed_at=NOON
    )
    await _shown(installation, await fail_attempt(command, installation.parts.store, WORKER_SAYS))


async def spend(installation: Installation, user_id: UUID, *, minutes: int) -> None:
    """Reserves minutes for a transcription that does not matter."""
    command = ReserveQuota(user_id=user_id, transcription_id=uuid4(), minutes=minutes, reserved_at=NOON)

    def decide(streams: Streams) -> None:
        streams.decide(QUOTA, user_id, command)

    await execute(installation.parts.store, user_id, [(QUOTA, user_id)], decide, WORKER_SAYS)


async def _shown(installation: Installation, address: Address | None) -> None:
    assert address is not None
    assert await installation.parts.progress.wait(address, 10)


def sound(seconds: float = 2.0, *, level: int = 0) -> bytes:
    """A WAV file; recordings of another `level` have other bytes."""
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 8_000, 0, "NONE", ""))
        writer.writeframes(struct.pack("<h", level) * int(8_000 * seconds))
    return file.getvalue()
