"""A projector process on a Kafka whose files are damaged: its tables are the fold of the log all the same."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infrastructure.kafka.failures import PartitionDamaged
from infrastructure.postgres.kafka_damage import KafkaDamage, PostgresKafkaDamage
from projections.damage_watch import watch_damage
from schemas.topics import Topics
from tests.infrastructure.kafka.damaging import flip, segment
from tests.infrastructure.kafka.messages import fresh_topics, until
from tests.infrastructure.postgres.database import migrated_pool
from tests.projections.lives import lived
from tests.projections.running import until_reached
from tests.projections.system import PARTITION_COUNT, System, fresh_system
from tests.projections.test_processes import assert_the_tables_are_the_fold_of_the_log
from tests.relay.logs import relayed
from tests.stack.servers import Database

USERS = 12


@pytest.fixture
async def system(postgres: Database, kafka: str, tmp_path: Path) -> AsyncIterator[System]:
    async with fresh_system(postgres, kafka, tmp_path) as fresh:
        yield fresh


@pytest.mark.slow
async def test_read_models_are_whole_although_kafka_cannot_give_every_event(
    system: System, stack_folder: Path
) -> None:
    data = stack_folder / "kafka" / "apache" / "data"
    if not data.exists():
        pytest.skip("this Kafka's files are not ours, or noida-db's, which only it understands")
    topics = Topics(system.settings.topic_prefix)
    await system.start("relay")
    for user in range(USERS):
        await lived(system.store, [f"user {user}"])

    async def all_is_relayed() -> bool:
        heads = [await system.log.head(partition) for partition in range(PARTITION_COUNT)]
        return len(await relayed(system.settings.kafka_bootstrap, topics)) == sum(heads)

    await until(all_is_relayed)
    damaged = segment(data, topics.events, 0), segment(data, topics.events, 1)
    for path in damaged:
        flip(path)
    await system.start("project")
    await until_reached(system.pool, system.log)
    known = await PostgresKafkaDamage(system.pool).known()
    assert [(each.topic, each.partition) for each in known] == [(topics.events, 0), (topics.events, 1)]
    await lived(system.store, ["somebody who comes later"])
    await assert_the_tables_are_the_fold_of_the_log(system)


class KnownDamage:
    """As the table has it."""

    def __init__(self, *damages: KafkaDamage) -> None:
        self.damages = list(damages)
        self.looks = 0

    async def known(self) -> Sequence[KafkaDamage]:
        self.looks += 1
        return list(self.damages)

    async def mended(self, damage: KafkaDamage) -> None:
        self.damages.remove(damage)


async def test_damage_that_is_no_longer_there_is_forgotten(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    known = KnownDamage(KafkaDamage(topics.events, 0, 17, "bad", datetime.now(UTC)))
    watching = asyncio.create_task(watch_damage(known, kafka, look_seconds=0.05))

    async def is_forgotten() -> bool:
        return not known.damages

    await until(is_forgotten)
    watching.cancel()


async def test_a_watch_outlives_a_broker_that_is_away() -> None:
    known = KnownDamage(KafkaDamage("events", 0, 17, "bad", datetime.now(UTC)))
    watching = asyncio.create_task(watch_damage(known, "127.0.0.1:1", look_seconds=0.05))

    async def has_looked_again() -> bool:
        return known.looks > 1

    await until(has_looked_again)
    assert known.damages
    watching.cancel()


async def test_damage_is_known_by_its_first_offset_from_when_it_was_found(postgres: Database) -> None:
    async with migrated_pool(postgres) as pool:
        damages = PostgresKafkaDamage(pool)
        await damages.tell(PartitionDamaged("events", 3, 50, "bad"))
        [first] = await damages.known()
        await damages.tell(PartitionDamaged("events", 3, 70, "worse"))
        [second] = await damages.known()
        assert (second.first_offset, second.error, second.since) == (50, "worse", first.since)
        await damages.mended(second)
        assert not await damages.known()
