"""The sealing process: `python -m evidence`, any number of them at a time."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from domain.ports import ObjectStore
from evidence.checkpoints import origin_of
from evidence.keys import SealKey, require_known, seal_keys
from evidence.owner import SealOwner
from evidence.published import PublishedTiles
from evidence.republishing import republish
from evidence.sealer import Sealer
from evidence.tables import EvidenceTables
from evidence.telling import Telling
from infrastructure.kafka.producer import IdempotentProducer
from infrastructure.kafka.refusals import welcoming_brokers
from infrastructure.object_store import open_object_store
from infrastructure.postgres.errors import PartitionCountMismatch
from infrastructure.postgres.leases import SEAL, PostgresLeases
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.process import run_process
from infrastructure.settings import InvalidSetting, Settings
from schemas.topics import Topics

logger = logging.getLogger(__name__)

TELL_SECONDS: Final = 5.0
"""Of a Kafka that is away a checkpoint is told with the next one."""


async def seal(
    settings: Settings, *, replace_lost_key: bool = False, republish_tiles: bool = False
) -> None:
    """Raises InvalidSetting."""
    keys = seal_keys(settings.seal_keys)
    try:
        async with (
            await create_pool(settings.database_url, application_name="stenolog seal") as pool,
            PostgresEventLog(pool, settings.partitions) as log,
            open_object_store(settings.object_store, encrypted=settings.require_encryption) as objects,
        ):
            tables = EvidenceTables(pool)
            installation_id = await _introduced(tables, keys, settings.partitions, replace_lost_key)
            if republish_tiles:
                await _republish(tables, objects, settings.partitions)
            producer = IdempotentProducer(await welcoming_brokers(settings), deadline_seconds=TELL_SECONDS)
            telling = Telling(tables, producer, Topics(settings.topic_prefix))
            open_sealer = _sealers(installation_id, keys[0], tables, objects, telling)
            try:
                await _owner(settings, pool, log, tables, open_sealer).run()
            finally:
                await producer.close()
    except PartitionCountMismatch as problem:
        raise InvalidSetting(str(problem)) from problem


async def _introduced(
    tables: EvidenceTables, keys: Sequence[SealKey], partition_count: int, replace_lost_key: bool
) -> UUID:
    """What the keys verify with is written down before any of them signs. Raises KeyLost."""
    if not replace_lost_key:
        require_known(keys, await tables.public_keys())
    installation_id = await tables.installation_id()
    for each in range(partition_count):
        origin = origin_of(installation_id, each)
        await tables.add_keys(each, [key.of(origin).verifier for key in keys])
    return installation_id


async def _republish(tables: EvidenceTables, objects: ObjectStore, partition_count: int) -> None:
    """Raises LogDiffers, having told of what was made before."""
    for each in range(partition_count):
        size = await republish(each, tables, PublishedTiles(objects, each))
        logger.info("the tiles of partition %d were made anew, of %d events", each, size)


def _sealers(
    installation_id: UUID, key: SealKey, tables: EvidenceTables, objects: ObjectStore, telling: Telling
) -> Callable[[int], Sealer]:
    def open_sealer(partition: int) -> Sealer:
        signing = key.of(origin_of(installation_id, partition))
        return Sealer(partition, signing, tables, PublishedTiles(objects, partition), telling.tell)

    return open_sealer


def _owner(
    settings: Settings,
    pool: Pool,
    log: PostgresEventLog,
    tables: EvidenceTables,
    open_sealer: Callable[[int], Sealer],
) -> SealOwner:
    leases = PostgresLeases(pool, SEAL, settings.partitions, uuid4(), settings.lease_seconds)
    return SealOwner(
        leases,
        log,
        tables,
        open_sealer,
        renew_seconds=leases.renew_seconds,
        seal_seconds=settings.seal_seconds,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m evidence", description="The sealing process.")
    parser.add_argument(
        "--replace-lost-key",
        action="store_true",
        help="sign with a new key although none that signed before is at hand",
    )
    parser.add_argument(
        "--republish",
        action="store_true",
        help="first make all tiles anew from the log, if that still is what was sealed",
    )
    arguments = parser.parse_args()
    work = partial(seal, replace_lost_key=arguments.replace_lost_key, republish_tiles=arguments.republish)
    return run_process(work, ["database", "kafka"])


if __name__ == "__main__":
    sys.exit(main())
