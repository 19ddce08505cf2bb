"""People with everything that can be theirs, in a real database and a folder of objects, and who erases them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from commands.register_user import register_user
from commands.request_erasure import request_erasure
from dispatcher.erasing import Eraser, ErasureLimits
from dispatcher.erasures import PostgresErasures
from dispatcher.migration import migrate_dispatch_tables
from dispatcher.ports import Lease
from dispatcher.tables import PostgresDispatchTables
from domain.api_keys import API_KEYS
from domain.log import Provenance
from domain.media_file import MEDIA_FILE
from domain.ports import EventLog
from domain.transcription import TRANSCRIPTION, transcription_id_of
from domain.user import RegisterUser, RequestErasure
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.postgres.api_key_uses import PostgresApiKeyUses
from infrastructure.postgres.credentials import PostgresCredentials
from infrastructure.postgres.errors import OUTAGES
from infrastructure.postgres.known_sources import PostgresKnownSources
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.person_keys import PostgresPersonKeys
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from projections.models import READ_MODELS
from projections.models import migrate as migrate_read_models
from projections.reading import Reading
from schemas.objects import folders_of
from tests.builders import LATER, NOON, WORKER, api_key_created, identity
from tests.keys import MASTER_KEYS
from tests.projections.lives import ENDS, happened, life
from tests.projections.running import project_all

PARTITION_COUNT: Final = 4
PROVENANCE: Final = Provenance(actor="test", correlation_id=UUID(int=9))
AT_ONCE: Final = ErasureLimits(settle_seconds=0.0, again_seconds=0.01)


class NotedKeys(PostgresPersonKeys):
    """Notes whose keys are gone."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, MASTER_KEYS)
        self.erased: list[UUID] = []

    async def erase(self, owner_id: UUID) -> None:
        await super().erase(owner_id)
        self.erased.append(owner_id)


class StillClock:
    def now(self) -> Any:
        return LATER


@dataclass(frozen=True, slots=True)
class Household:
    url: str
    pool: Pool
    store: PostgresEventStore
    log: EventLog
    objects: FolderObjectStore
    folder: Path
    keys: NotedKeys

    @property
    def reading(self) -> Reading:
        return Reading(self.keys.of)

    @property
    def credentials(self) -> PostgresCredentials:
        return PostgresCredentials(self.pool, PARTITION_COUNT, self.store.announce, self.keys)

    def eraser(self, limits: ErasureLimits = AT_ONCE, **others: Any) -> Eraser:
        parts: dict[str, Any] = {
            "erasures": PostgresErasures(self.pool),
            "store": self.store,
            "objects": self.objects,
            "keys": self.keys,
            "clock": StillClock(),
        } | others
        return Eraser(**parts, limits=limits, outages=OUTAGES)

    async def has_lived(self, name: str, ends: Sequence[str] = ENDS) -> UUID:
        """Somebody with a file for each of these ends, with objects of every kind, who has logged in."""
        user_id = await self.registers(f"{name}@example.com", identity(name))
        for end in ends:
            for step in life(name, end, file=f"{name}'s {end}")[1:]:
                await happened(self.store, user_id, *step)
        for folder in folders_of(user_id):
            await self.objects.put(f"{folder}/a/b", name.encode())
        await PostgresKnownSources(self.pool).remember(user_id, "192.0.2.1")
        await self.has_key(user_id)
        return user_id

    async def has_key(self, user_id: UUID) -> None:
        """One that is in use."""
        created = api_key_created(user_id=user_id, key=f"key of {user_id}")
        await happened(self.store, user_id, created)
        await PostgresApiKeyUses(self.pool).note(created.key_id, user_id)

    async def registers(self, email: str, user_id: UUID | None = None) -> UUID:
        command = RegisterUser(user_id=user_id or uuid4(), email=email, registered_at=NOON)
        await register_user(command, b"hash", 600, self.credentials, PROVENANCE)
        return command.user_id

    async def lease(self, file: str, user_id: UUID, *, seconds: float) -> None:
        """A worker's promise about the file's transcription, which ends in so many seconds."""
        tables = PostgresDispatchTables(self.pool)
        lease = Lease(
            transcription_id=transcription_id_of(identity(file)),
            attempt=1 if seconds > 0 else 2,
            worker_id=WORKER,
            user_id=user_id,
            requested_at=NOON,
        )
        await tables.grant(lease, seconds)

    async def wants_to_go(self, user_id: UUID) -> None:
        command = RequestErasure(user_id=user_id, requested_at=NOON)
        await request_erasure(command, self.credentials, self.store, PROVENANCE)

    async def types_of(self, user_id: UUID) -> list[str]:
        rows = await self.pool.fetch("select type from events where owner_id = $1 order by seq", user_id)
        return [row["type"] for row in rows]

    async def statuses(self, user_id: UUID) -> Mapping[str, str]:
        """What has become of each stream."""
        query = "select stream_id from events where owner_id = $1 and version = 1"
        streams = [row["stream_id"] for row in await self.pool.fetch(query, user_id)]
        return {each: await self._status(each) for each in streams}

    async def _status(self, stream_id: str) -> str:
        events: Any = await self.store.read_stream(stream_id)
        if stream_id.startswith(TRANSCRIPTION.category):
            return TRANSCRIPTION.fold(events).status
        if stream_id.startswith(MEDIA_FILE.category):
            return "deleted" if MEDIA_FILE.fold(events).deleted else "there"
        if stream_id.startswith(API_KEYS.category):
            return "there" if API_KEYS.fold(events).keys else "deleted"
        return "kept"

    async def rows_of(self, user_id: UUID) -> int:
        """In all read models, and with the credentials."""
        await project_all(self.pool, self.log, self.reading)
        count: int = 0
        for table in (*READ_MODELS, "known_sources", "api_key_uses"):
            column = "id" if table == "users" else "user_id"
            count += await self.pool.fetchval(f"select count(*) from {table} where {column} = $1", user_id)
        there = "select count(*) from credentials where user_id = $1 and (email, password_hash) is not null"
        count += await self.pool.fetchval(there, user_id)
        return count

    def objects_of(self, user_id: UUID) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and str(user_id) in str(path)]

    async def require_gone(self, user_id: UUID) -> None:
        assert (await self.types_of(user_id))[-1] == "UserErased"
        statuses = set((await self.statuses(user_id)).values())
        assert statuses <= {"deleted", "kept"}
        assert await self.rows_of(user_id) == 0
        assert self.objects_of(user_id) == []


@asynccontextmanager
async def household(url: str, folder: Path) -> AsyncIterator[Household]:
    async with await create_pool(url) as pool:
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        async with pool.acquire() as connection:
            await migrate_read_models(connection)
        await migrate_dispatch_tables(pool)
        objects = FolderObjectStore(folder)
        await objects.prepare()
        keys = NotedKeys(pool)
        async with (
            PostgresEventStore(pool, PARTITION_COUNT, keys) as store,
            PostgresEventLog(pool, PARTITION_COUNT) as log,
        ):
            yield Household(url, pool, store, log, objects, folder, keys)
