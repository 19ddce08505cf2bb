"""How fast a log is verified: each event of it against the tiles and the checkpoints that were made of it."""

import os
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.history import history, write_log
from benchmarks.measure import Measurement, report
from benchmarks.one_user import prepared
from benchmarks.stack import PARTITIONS, open_folder
from cli.verifying import Places, verify
from embedded.postgres import Postgres
from evidence.checkpoints import origin_of
from evidence.keys import SealKey
from evidence.published import PublishedTiles
from evidence.sealer import Sealer
from evidence.tables import EVIDENCE_COMPONENT, EVIDENCE_MIGRATIONS, EvidenceTables
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.postgres.migrate import migrate
from infrastructure.postgres.pool import Pool

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "500000"))
ROWS: Final = 5_000
READING: Final = "reading alone"
CAPTION: Final = (
    f"a log of {EVENTS:,} events in {PARTITIONS} partitions, by as many processes as there are cores: rows read, made canonical, "
    f"hashed and compared with the tiles; {READING}: the same rows read by one process, nothing done with them"
)


async def main() -> None:
    async with AsyncExitStack() as exits:
        folder = exits.enter_context(open_folder())
        server = Postgres(folder / "postgres", folder / "postgres.log")
        await server.start()
        exits.push_async_callback(server.stop)
        url = await server.create_database("verify")
        pool = await exits.enter_async_context(await prepared(url))
        objects = folder / "objects"
        await _sealed(pool, objects)
        reading = await _seconds_of_reading(EvidenceTables(pool))
        began = time.perf_counter()
        found = await verify(Places(database_url=url, object_store=objects.as_uri()))
        seconds = time.perf_counter() - began
    assert sum(each.sealed for each in found) == EVENTS
    assert not any(each.findings for each in found)
    measured = Measurement(
        situation=f"{EVENTS:,} events",
        unit="events/s",
        ours=EVENTS / seconds,
        peers={READING: EVENTS / reading},
        to_reach=100_000,
    )
    report("verify", CAPTION, [measured])


async def _sealed(pool: Pool, folder: Path) -> None:
    await migrate(pool, EVIDENCE_COMPONENT, EVIDENCE_MIGRATIONS)
    print(f"writing {EVENTS:,} events and sealing them", flush=True)
    await write_log(pool, history(EVENTS))
    objects, tables = FolderObjectStore(folder), EvidenceTables(pool)
    await objects.prepare()
    installation_id, key = await tables.installation_id(), SealKey("bench", Ed25519PrivateKey.generate())
    for partition in range(PARTITIONS):
        signing = key.of(origin_of(installation_id, partition))
        await tables.add_keys(partition, [signing.verifier])
        sealer = Sealer(partition, signing, tables, PublishedTiles(objects, partition), _tell)
        while await sealer.seal():
            """A checkpoint for each part of it."""


async def _tell(_: int) -> None:
    """Nobody listens."""


async def _seconds_of_reading(tables: EvidenceTables) -> float:
    began = time.perf_counter()
    for partition in range(PARTITIONS):
        seq = 0
        while rows := await tables.following(partition, seq, ROWS):
            seq = rows[-1]["seq"]
    return time.perf_counter() - began
