"""The embedded brokers come back after a kill, and which of them runs is chosen and said."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from embedded.brokers import Broker, broker_choice, embedded_broker, jar_folder, retention_ms
from embedded.jars import JarsUnreachable
from embedded.kafka import ApacheKafka, new_cluster_id
from embedded.noida import Noida
from infrastructure.kafka.topics import create_topics
from infrastructure.settings import InvalidSetting
from schemas.topics import Topics
from tests.stack.waiting import eventually

SENT = 100


def cannot_be_had(_interrupted: threading.Event) -> None:
    raise JarsUnreachable("kafka.jar: ConnectionError")


def is_there(_interrupted: threading.Event) -> None:
    """Nothing to fetch."""


def say_nothing(_line: str) -> None:
    """Nobody listens."""


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Broker]:
    """The broker that the other tests of this run use as well, but one of our own."""
    server = await embedded_broker(broker_choice(), tmp_path / "kafka", tmp_path / "kafka.log", say_nothing)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_a_stopped_broker_still_has_what_it_acknowledged(server: Broker) -> None:
    topics = Topics("stopped")
    await _send(server, topics)
    await server.stop()
    await server.start()
    assert await _count(server, topics) == SENT


async def test_a_killed_broker_comes_back_on_its_address(server: Broker) -> None:
    """Apache Kafka loses nothing it acknowledged; the small one may, and nothing may depend on it."""
    topics = Topics("killed")
    await _send(server, topics)
    address = server.bootstrap
    server.kill()
    await server.wait()
    await server.start()
    assert server.bootstrap == address
    if isinstance(server, ApacheKafka):
        assert await _count(server, topics) == SENT


async def test_apache_kafka_is_taken_when_its_jars_are_there(tmp_path: Path) -> None:
    said: list[str] = []
    broker = await embedded_broker("", tmp_path, tmp_path / "log", said.append, is_there)
    assert isinstance(broker, ApacheKafka)
    assert said == []
    assert retention_ms(broker) == -1


async def test_the_small_broker_is_taken_when_the_jars_cannot_be_had_and_that_is_said_in_one_line(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    broker = await embedded_broker("", tmp_path, tmp_path / "log", said.append, cannot_be_had)
    assert isinstance(broker, Noida)
    assert said == [
        "Apache Kafka's jars are neither cached nor reachable (kafka.jar: ConnectionError): taking noida-db instead"
    ]
    assert retention_ms(broker) > 0


async def test_who_insists_on_apache_kafka_gets_it_or_an_error(tmp_path: Path) -> None:
    with pytest.raises(JarsUnreachable):
        await embedded_broker("apache", tmp_path, tmp_path / "log", say_nothing, cannot_be_had)


async def test_who_insists_on_the_small_broker_needs_no_jars(tmp_path: Path) -> None:
    broker = await embedded_broker("noida", tmp_path, tmp_path / "log", say_nothing, cannot_be_had)
    assert isinstance(broker, Noida)


async def test_a_fetch_is_told_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    begun = threading.Event()
    ended = threading.Event()

    def endless(interrupted: threading.Event) -> None:
        begun.set()
        interrupted.wait()
        ended.set()

    waiting = asyncio.create_task(embedded_broker("", tmp_path, tmp_path / "log", say_nothing, endless))
    await eventually(begun.is_set, "the fetch has begun")
    waiting.cancel()
    await eventually(ended.is_set, "the fetch has ended")
    assert waiting.cancelled()


@pytest.mark.parametrize("choice", ["", "apache", "noida", "external"])
def test_the_choice_is_read_from_its_variable(choice: str) -> None:
    assert broker_choice({"STENOLOG_BROKER": choice}) == choice


def test_a_choice_nobody_offers_is_refused_by_its_variable() -> None:
    with pytest.raises(
        InvalidSetting, match="STENOLOG_BROKER: 'redpanda' is none of apache, noida, external"
    ):
        broker_choice({"STENOLOG_BROKER": "redpanda"})


async def _send(server: Broker, topics: Topics) -> None:
    await create_topics(server.bootstrap, topics, 1)
    async with AIOKafkaProducer(bootstrap_servers=server.bootstrap, acks="all") as producer:
        futures = [await producer.send(topics.events, b"%d" % number) for number in range(SENT)]
        for future in futures:
            await future


async def _count(server: Broker, topics: Topics) -> int:
    async with AIOKafkaConsumer(bootstrap_servers=server.bootstrap) as consumer:
        partition = TopicPartition(topics.events, 0)
        ends: dict[TopicPartition, int] = await consumer.end_offsets([partition])
        return ends[partition]


def test_no_cluster_id_looks_like_an_option() -> None:
    """One in 64 did, and then a new folder could not be formatted."""
    assert not [each for each in (new_cluster_id() for _ in range(2_000)) if each.startswith("-")]


async def test_a_kafka_that_has_learned_how_it_starts_starts_with_what_it_learned(
    server: Broker, tmp_path: Path
) -> None:
    if isinstance(server, Noida):  # Nothing of Java's can be had here, and this run's broker is not Java's.
        return
    jars = tmp_path / "jars"
    jars.mkdir()
    for jar in jar_folder().glob("*.jar"):
        (jars / jar.name).symlink_to(jar)
    learned = ApacheKafka(tmp_path / "learned", jars, tmp_path / "learned.log")
    assert not [each for each in learned.command().arguments if "AOTCache" in each]
    await learned.quicken_next_start()
    assert [each for each in learned.command().arguments if each.startswith("-XX:AOTCache=")]
    await learned.start()
    await learned.stop()
    assert "[aot" not in (tmp_path / "learned.log").read_text(encoding="utf-8"), "Java found fault with it"
