"""A log that was in the clear: Kafka gets it sealed, in new topics, and whoever followed the old ones goes on."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from domain.log import LogRecord
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.topics import create_topics, provide_topics
from infrastructure.postgres.clear_events import Kept, kept_in_the_clear
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.store import PostgresEventStore
from projections.models import READ_MODELS
from projections.models import migrate as migrate_read_models
from projections.reading import Reading
from projections.runner import Runner
from relay.clear_events import AskKept
from relay.earlier import PostgresEarlier
from relay.facts import LaneFacts
from relay.lanes import lanes_of
from schemas.facts import encode_fact
from schemas.topics import Topics
from tests.golden.earlier import BEFORE, SAID, Earlier, earlier_database
from tests.infrastructure.kafka.messages import administering, committed, fresh_topics, until
from tests.keys import keys_on
from tests.projections.feeds import HeldLeases
from tests.projections.lives import lived
from tests.projections.running import QUICK as QUICK_PACE
from tests.projections.running import contents, running, until_reached
from tests.relay.logs import relayed, relaying
from tests.relay.test_facts import QUICK as QUICK_FACTS
from tests.relay.test_facts import latest, require_each_state_once, states_of, told
from tests.stack.servers import Database
from tests.stack.waiting import eventually

PARTITIONS = BEFORE.partition_count


class TopicsOfBefore(Topics, frozen=True):
    """As they were called when what lies in them was in the clear."""

    @property
    def events(self) -> str:
        return f"{self.prefix}.events.v1"

    @property
    def jobs(self) -> str:
        return f"{self.prefix}.inference.jobs.v1"

    @property
    def checkpoints(self) -> str:
        return f"{self.prefix}.relay.checkpoints.v1"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}.dead-letters.v1"


@pytest.fixture
async def earlier(postgres: Database) -> AsyncIterator[Earlier]:
    async with earlier_database(postgres) as opened:
        yield opened


@pytest.fixture
async def log(earlier: Earlier) -> AsyncIterator[PostgresEventLog]:
    async with PostgresEventLog(earlier.pool, PARTITIONS) as opened:
        yield opened


async def all_of(log: PostgresEventLog) -> Sequence[LogRecord]:
    return [each for partition in range(PARTITIONS) for each in await log.read(partition, 0, 10_000)]


async def keep_all(_partition: int) -> Kept:
    """As the relay of before: it passed on everything."""
    return Kept(through=1 << 60)


async def said_in(kafka: str, *names: str) -> list[str]:
    """What of SAID is in these topics."""
    content = b"".join([each.value or b"" for name in names for each in await committed(kafka, name)])
    return [said for said in SAID if said.encode() in content]


async def until_filled(kafka: str, topics: Topics, log: PostgresEventLog) -> None:
    """Until Kafka has exactly the log."""

    async def is_filled() -> bool:
        return await relayed(kafka, topics) == await all_of(log)

    await until(is_filled)


async def test_what_is_in_the_clear_waits_until_it_is_sealed(
    kafka: str, earlier: Earlier, log: PostgresEventLog, caplog: pytest.LogCaptureFixture
) -> None:
    topics = await fresh_topics(kafka, PARTITIONS)
    waits: dict[int, Exception | None] = {}
    async with relaying(
        kafka,
        topics,
        log,
        lanes=lanes_of(PARTITIONS),
        kept=partial(kept_in_the_clear, earlier.pool),
        tell=waits.__setitem__,
    ):
        await eventually(
            lambda: (
                "names somebody in the clear" in caplog.text and "run `stenolog migrate`" in caplog.text
            ),
            "it says what it waits for",
        )
        assert await said_in(kafka, topics.events, topics.jobs) == []
        assert any("run `stenolog migrate`" in str(why) for why in waits.values())
        await earlier.seal()
        await until_filled(kafka, topics, log)
        await eventually(lambda: not any(waits.values()), "it says that it waits no more")
    assert await said_in(kafka, topics.events, topics.jobs) == []


async def test_what_evidence_shows_in_the_clear_is_passed_on_as_it_is(
    kafka: str, earlier: Earlier, log: PostgresEventLog
) -> None:
    topics = await fresh_topics(kafka, PARTITIONS)
    await earlier.seal(covered=10_000)
    async with relaying(
        kafka, topics, log, lanes=lanes_of(PARTITIONS), kept=partial(kept_in_the_clear, earlier.pool)
    ):
        await until_filled(kafka, topics, log)
    assert await earlier.clear() > 0


@asynccontextmanager
async def at_work(
    kafka: Brokers, topics: Topics, earlier: Earlier, log: PostgresEventLog, kept: AskKept
) -> AsyncIterator[None]:
    """Relays, those that keep the facts, and a projector, until everything that the log has is done."""
    [lane] = lanes_of(PARTITIONS)
    facts = LaneFacts(lane, log, PostgresEarlier(earlier.pool), kafka, topics, pace=QUICK_FACTS)
    feed = KafkaEventFeed(kafka, topics)
    projector = Runner(
        earlier.pool,
        feed,
        HeldLeases(range(PARTITIONS)),
        list(READ_MODELS.values()),
        Reading(keys_on(earlier.pool).of),
        pace=QUICK_PACE,
    )
    try:
        async with (
            relaying(kafka, topics, log, lanes=[lane], kept=kept),
            running(projector),
            telling(facts),
        ):
            yield
            await until_reached(earlier.pool, log)
            await until_told(str(kafka), topics, log)
    finally:
        await feed.close()


@asynccontextmanager
async def telling(facts: LaneFacts) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(facts.run())
        yield
        running.cancel()


async def until_told(kafka: str, topics: Topics, log: PostgresEventLog) -> None:
    expected = {key: encode_fact(fact) for key, fact in states_of(await all_of(log)).items()}

    async def is_told() -> bool:
        return latest(await told(kafka, topics)) == expected

    await until(is_told)


async def offsets(pool: Pool) -> Mapping[int, int]:
    """Where the projector goes on in each partition, as it believes."""
    rows = await pool.fetch(
        "select partition, max(next_offset) as at from projection_checkpoints group by 1"
    )
    return {row["partition"]: row["at"] for row in rows if row["at"]}


async def test_read_models_and_facts_go_on_when_the_topics_get_new_names(
    kafka: str, earlier: Earlier, log: PostgresEventLog
) -> None:
    topics = Topics(f"test-{uuid4().hex[:12]}")
    before = TopicsOfBefore(topics.prefix)
    async with earlier.pool.acquire() as connection:
        await migrate_read_models(connection)
    await create_topics(kafka, before, PARTITIONS)
    async with at_work(kafka, before, earlier, log, keep_all):
        """All that there is."""
    assert await said_in(kafka, before.events) == SAID
    assert await offsets(earlier.pool)
    facts_before: Sequence[Any] = await told(kafka, topics)

    await earlier.seal()
    settings = msgspec.structs.replace(earlier.settings, kafka_bootstrap=kafka, topic_prefix=topics.prefix)
    done = await provide_topics(settings)
    assert {f"{name} removed" for name in topics.outdated} <= {*done}
    async with administering(kafka) as admin:
        assert not set(topics.outdated) & set(await admin.list_topics())
    assert await provide_topics(settings) == []

    async with (
        PostgresEventStore(earlier.pool, PARTITIONS, keys_on(earlier.pool)) as store,
        at_work(kafka, topics, earlier, log, partial(kept_in_the_clear, earlier.pool)),
    ):
        await lived(store, ["somebody new"])
    await until_filled(kafka, topics, log)
    assert await said_in(kafka, topics.events, topics.jobs, topics.facts) == []
    facts: Sequence[Any] = await told(kafka, topics)
    assert [each.offset for each in facts[: len(facts_before)]] == [each.offset for each in facts_before]
    require_each_state_once(facts)
    live = await contents(earlier.pool)
    assert await earlier.made_of_it() == live
