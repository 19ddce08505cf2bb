"""A log in a database of its own with the tables of the evidence, and sealers for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.ports import ObjectStore
from evidence.checkpoints import Checkpoint, origin_of, verified_checkpoint
from evidence.entries import entry_of
from evidence.keys import SealKey
from evidence.notes import SigningKey, VerifierKey
from evidence.published import PublishedTiles
from evidence.sealer import Sealer, Tell
from evidence.tables import EVIDENCE_COMPONENT, EVIDENCE_MIGRATIONS, EvidenceTables, Sealed
from evidence.tiles import Place, bundle
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from tests.evidence.trees import Tiled
from tests.infrastructure.postgres.database import fresh_database
from tests.keys import keys_on
from tests.relay.logs import append, grants, owner_in
from tests.stack.servers import Database

PARTITION = 0
PARTITION_COUNT = 2
KEY = SealKey("test", Ed25519PrivateKey.from_private_bytes(b"k" * 32))
OTHER_KEY = SealKey("other", Ed25519PrivateKey.from_private_bytes(b"o" * 32))


class SealedLog:
    """Everything around sealing that is real: PostgreSQL, and a folder as object store."""

    def __init__(
        self, url: str, pool: Pool, store: PostgresEventStore, objects: ObjectStore, folder: Path
    ) -> None:
        self.url = url
        self.pool = pool
        self.store = store
        self.objects = objects
        self.folder = folder
        self.tables = EvidenceTables(pool)
        self.tiles = PublishedTiles(objects, PARTITION)
        self.installation_id = UUID(int=0)
        self.told: list[Sealed] = []

    async def append(self, count: int, partition: int = PARTITION) -> None:
        """To a new stream."""
        await append(self.store, *grants(count), owner_id=owner_in(partition))

    async def tell(self, partition: int) -> None:
        for sealed in await self.tables.untold(partition):
            self.told.append(sealed)
            await self.tables.told(partition, sealed.size)

    def signing_key(self, partition: int = PARTITION, key: SealKey = KEY) -> SigningKey:
        return key.of(origin_of(self.installation_id, partition))

    @property
    def verifier(self) -> VerifierKey:
        return self.signing_key().verifier

    def sealer(
        self,
        partition: int = PARTITION,
        *,
        tables: EvidenceTables | None = None,
        objects: ObjectStore | None = None,
        tell: Tell | None = None,
        key: SealKey = KEY,
    ) -> Sealer:
        return Sealer(
            partition,
            self.signing_key(partition, key),
            tables or self.tables,
            PublishedTiles(objects or self.objects, partition),
            tell or self.tell,
        )

    async def seal(self, *partitions: int) -> None:
        """All there is, by new sealers."""
        for partition in partitions or (PARTITION,):
            while await self.sealer(partition).seal():
                """A checkpoint for each part of a long log."""

    async def checkpoint(self, partition: int = PARTITION) -> Checkpoint:
        """The latest, as the table has it."""
        latest = await self.tables.latest(partition)
        assert latest is not None
        return verified_checkpoint(latest.note, [self.signing_key(partition).verifier])

    async def entries(self, partition: int = PARTITION) -> list[bytes]:
        return [entry_of(row) for row in await self.tables.following(partition, 0, 100_000)]

    async def require_published(self, partition: int = PARTITION, *, upto: int | None = None) -> None:
        """Every tile of the latest checkpoint is there, and is what a tree that is built at once has."""
        checkpoint = await self.checkpoint(partition)
        entries = (await self.entries(partition))[: upto or checkpoint.size]
        whole, tiles = Tiled(entries), PublishedTiles(self.objects, partition)
        assert (checkpoint.size, checkpoint.root) == (whole.size, whole.root)
        for place, hashes in whole.tiles.items():
            assert await tiles.hashes(place) == hashes
            if place.level == 0:
                found = await tiles.entries(bundle(place.index, place.width))
                assert found == entries[place.first : place.first + place.width]

    def files(self) -> set[str]:
        """Of the partition, by their path below its own."""
        root = self.folder / "evidence" / str(PARTITION)
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    async def tamper(self, statement: str, *arguments: Any) -> None:
        """As a superuser past all triggers."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(statement, *arguments)


@asynccontextmanager
async def sealed_log(server: Database, folder: Path) -> AsyncIterator[SealedLog]:
    async with fresh_database(server) as url, await create_pool(url) as pool:
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        await migrate(pool, EVIDENCE_COMPONENT, EVIDENCE_MIGRATIONS)
        async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store:
            objects = FolderObjectStore(folder)
            await objects.prepare()
            log = SealedLog(url, pool, store, objects, folder)
            log.installation_id = await log.tables.installation_id()
            for partition in range(PARTITION_COUNT):
                await log.tables.add_keys(partition, [log.signing_key(partition).verifier])
            yield log


def paths(places: Sequence[Place]) -> set[str]:
    return {place.path for place in places}
