"""The relay process: `python -m relay`, any number of them at a time."""

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Never
from uuid import uuid4

from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.failures import KAFKA_FAILURES
from infrastructure.kafka.refusals import welcoming_brokers
from infrastructure.kafka.topics import WrongPartitionCount, create_topics
from infrastructure.postgres.clear_events import kept_in_the_clear
from infrastructure.postgres.errors import PartitionCountMismatch
from infrastructure.postgres.leases import RELAY, PostgresLeases
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import create_pool
from infrastructure.process import run_process, until_one_ends
from infrastructure.settings import InvalidSetting, Settings
from infrastructure.waiting import Wait
from relay.earlier import PostgresEarlier
from relay.facts import LaneFacts
from relay.lanes import LANE_WIDTH, Lane, lanes_of
from relay.owner import RelayOwner
from relay.positions import keep_telling
from relay.refusals import PostgresRefusals
from relay.relay import LaneRelay, Tell
from schemas.topics import Topics

RETRY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 5.0
"""How soon it is looked for missing topics when a relay has failed."""
IDLE_LOOK_SECONDS: Final = 30.0
"""And when none has: it costs as much as all else that an idle relay asks of Kafka."""


async def relay_log(settings: Settings) -> Never:
    """Raises InvalidSetting."""
    try:
        await _relay_log(settings)
    except (PartitionCountMismatch, WrongPartitionCount) as problem:
        raise InvalidSetting(str(problem)) from problem


async def _relay_log(settings: Settings) -> Never:
    topics = Topics(settings.topic_prefix)
    async with (
        await create_pool(settings.database_url, application_name="stenolog relay") as pool,
        PostgresEventLog(pool, settings.partitions) as log,
    ):
        brokers = await welcoming_brokers(settings)
        await _provide_topics(brokers, settings, topics)
        leases = PostgresLeases(
            pool, RELAY, settings.partitions, uuid4(), settings.lease_seconds, width=LANE_WIDTH
        )

        relays: dict[Lane, LaneRelay] = {}

        async def relay(lane: Lane, tell: Tell) -> Never:
            mine = relays[lane] = LaneRelay(
                lane,
                log,
                brokers,
                topics,
                tell=tell,
                kept=partial(kept_in_the_clear, pool),
                compression=settings.kafka_compression,
            )
            facts = LaneFacts(lane, log, PostgresEarlier(pool), brokers, topics)
            try:
                await until_one_ends(asyncio.create_task(mine.run()), asyncio.create_task(facts.run()))
            finally:
                if relays[lane] is mine:  # A successor may have begun before this one has ended.
                    del relays[lane]

        def positions() -> dict[int, int]:
            return {each: seq for relay in relays.values() for each, seq in relay.positions.items()}

        lanes = lanes_of(settings.partitions)
        owner = RelayOwner(leases, lanes, relay, PostgresRefusals(pool), renew_seconds=leases.renew_seconds)
        relaying = asyncio.create_task(owner.run())

        def failures() -> int:
            return sum(relay.restarts for relay in relays.values())

        keeping = asyncio.create_task(_keep_topics(brokers, settings, topics, failures))
        telling = asyncio.create_task(keep_telling(pool, positions))
        await until_one_ends(relaying, keeping, telling)


async def _keep_topics(
    brokers: Brokers, settings: Settings, topics: Topics, failures: Callable[[], int]
) -> Never:
    """A broker may lose its disk under a relay that runs, and the topics with it."""
    seen, look_at = 0, 0.0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if failures() == seen and time.monotonic() < look_at:
            continue
        seen, look_at = failures(), time.monotonic() + IDLE_LOOK_SECONDS
        await _provide_topics(brokers, settings, topics)


async def _provide_topics(brokers: Brokers, settings: Settings, topics: Topics) -> None:
    """So that a relay can fill a Kafka that was wiped. Waits for Kafka; raises WrongPartitionCount."""
    wait = Wait(f"Kafka at {settings.kafka_bootstrap}")
    while True:
        try:
            await create_topics(brokers, topics, settings.partitions)
        except KAFKA_FAILURES as problem:
            wait.goes_on(repr(problem))
        else:
            return wait.is_over()
        await asyncio.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    sys.exit(run_process(relay_log, ["database", "kafka"]))
