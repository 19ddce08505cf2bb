"""Kafka over TLS with a login: everything of ours works there, and whoever is turned away learns why in one line."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from domain.ports import FeedPosition
from infrastructure.encryption import RefusedConnection
from infrastructure.kafka.brokers import Brokers, SecureBrokers, brokers_of
from infrastructure.kafka.consumer import new_consumer, start_consumer
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.jobs import JobConsumer
from infrastructure.kafka.producer import TransactionalProducer
from infrastructure.kafka.refusals import TurnedAway, welcoming_brokers
from infrastructure.kafka.reports import ReportConsumer, ReportProducer
from infrastructure.kafka.topics import create_topics
from infrastructure.settings import InvalidSetting, Settings
from schemas.messages import WorkerReady
from schemas.topics import Topics
from tests.builders import WORKER
from tests.infrastructure.kafka.messages import DEADLINE_SECONDS, as_shown, take
from tests.infrastructure.kafka.secured import PASSWORD, SecuredKafka, secured_kafka, with_login
from tests.relay.logs import log_of, relaying
from tests.stack.certificates import Authority
from tests.stack.processes import run_to_its_end
from tests.stack.tls_proxy import tls_proxy

TOPICS = Topics("secured")
READY = WorkerReady(worker_id=WORKER, engine="scripted", slots=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def secured(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SecuredKafka]:
    folder = tmp_path_factory.mktemp("secured") / "kafka"
    async with secured_kafka(folder, authority.certify("broker"), authority) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def brokers(secured: SecuredKafka, authority: Authority) -> Brokers:
    """With all topics."""
    found = await welcoming_brokers(with_login(secured, authority.ca))
    await create_topics(found, TOPICS, 1)
    return found


async def refusal(settings: Settings) -> str:
    with pytest.raises(RefusedConnection) as refused:
        await welcoming_brokers(settings)
    line = str(refused.value)
    assert "\n" not in line
    assert PASSWORD not in line
    return line


async def test_what_the_relay_sends_reaches_followers_workers_and_the_dispatcher(brokers: Brokers) -> None:
    log = await log_of(3)
    feed = KafkaEventFeed(brokers, TOPICS)
    async with (
        relaying(brokers, TOPICS, log),
        JobConsumer(brokers, TOPICS, 1, WORKER),
        ReportProducer(brokers, TOPICS) as reporting,
        ReportConsumer(brokers, TOPICS) as reports,
    ):
        await feed.follow({0: FeedPosition()})
        assert await take(feed, 3) == as_shown(*log)
        await reporting.send(READY)
        async with asyncio.timeout(DEADLINE_SECONDS):
            [(_, _, heard)] = await reports.next_batch(DEADLINE_SECONDS)
        assert heard == READY
    await feed.close()


async def test_a_wrong_password_is_named_without_being_told(
    brokers: Brokers, secured: SecuredKafka, authority: Authority
) -> None:
    wrong = with_login(secured, authority.ca, kafka_password="open barley")
    line = await refusal(wrong)
    assert line == (
        "STENOLOG_KAFKA_USERNAME, STENOLOG_KAFKA_PASSWORD: "
        f"Kafka at {secured.bootstrap} does not accept them"
    )


async def test_a_broker_that_others_certified_is_refused(
    secured: SecuredKafka, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"), "stranger")
    line = await refusal(with_login(secured, other.ca))
    assert line.startswith(
        f"STENOLOG_KAFKA_CA: the certificate of Kafka at {secured.bootstrap} is signed by"
    )
    assert str(other.ca) in line


async def test_certificates_that_have_expired_or_are_for_others_are_refused(
    secured: SecuredKafka, authority: Authority
) -> None:
    host, _, port = secured.bootstrap.partition(":")
    for shown, why in (
        (authority.certify("old", lasts=-timedelta(hours=1)), "has expired"),
        (authority.certify("elsewhere", host="kafka.example.org"), "is for another name"),
    ):
        async with tls_proxy((host, int(port)), shown) as proxy:
            settings = with_login(secured, authority.ca, kafka_bootstrap=f"{host}:{proxy.port}")
            line = await refusal(settings)
        assert f"the certificate of Kafka at {host}:{proxy.port} {why}" in line
        assert proxy.connections == 0


async def test_who_speaks_in_the_clear_or_without_a_login_is_told_which_setting_that_is(
    secured: SecuredKafka, authority: Authority, kafka: str
) -> None:
    clear = Settings(kafka_bootstrap=secured.bootstrap)
    assert await refusal(clear) == (
        f"STENOLOG_KAFKA_SECURITY: Kafka at {secured.bootstrap} speaks TLS only, and this says plaintext"
    )
    nobody = Settings(kafka_bootstrap=secured.bootstrap, kafka_security="ssl", kafka_ca=str(authority.ca))
    assert "perhaps it wants sasl_ssl" in await refusal(nobody)
    assert await refusal(with_login(secured, authority.ca, kafka_bootstrap=kafka)) == (
        f"STENOLOG_KAFKA_SECURITY: Kafka at {kafka} does not speak TLS"
    )


async def test_brokers_that_are_away_are_waited_for(authority: Authority, secured: SecuredKafka) -> None:
    away = with_login(secured, authority.ca, kafka_bootstrap="127.0.0.1:1")
    assert str(await welcoming_brokers(away)) == "127.0.0.1:1"


async def test_a_client_that_is_turned_away_while_running_says_why_and_takes_it_for_an_outage(
    secured: SecuredKafka, authority: Authority
) -> None:
    wrong = await brokers_of(with_login(secured, authority.ca, kafka_password="open barley"))
    with pytest.raises(TurnedAway, match="STENOLOG_KAFKA_PASSWORD") as consuming:
        await start_consumer(new_consumer(wrong), wrong)
    with pytest.raises(TurnedAway, match="STENOLOG_KAFKA_PASSWORD"):
        async with TransactionalProducer(wrong, "wrong"):
            pass
    with pytest.raises(TurnedAway, match="STENOLOG_KAFKA_PASSWORD"):
        await create_topics(wrong, TOPICS, 1)
    assert "barley" not in repr(consuming.value)
    assert "barley" not in repr(wrong)


async def test_every_process_that_is_turned_away_ends_with_that_one_line(
    secured: SecuredKafka, authority: Authority
) -> None:
    wrong = with_login(secured, authority.ca, kafka_password="open barley", log_level="debug")
    ended = await run_to_its_end(wrong, "inference_worker")
    assert ended.code == 1
    assert [each for each in ended.lines if "STENOLOG_" in each] == ended.lines[-1:]
    assert ended.lines[-1].startswith("STENOLOG_KAFKA_USERNAME, STENOLOG_KAFKA_PASSWORD: ")
    assert "barley" not in "".join(ended.lines)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"kafka_bootstrap": ""}, "STENOLOG_KAFKA_BOOTSTRAP: '' is no broker"),
        ({"kafka_bootstrap": "kafka:9092,:9092"}, "STENOLOG_KAFKA_BOOTSTRAP: ':9092' is no broker"),
        ({"kafka_bootstrap": "kafka:99999"}, "STENOLOG_KAFKA_BOOTSTRAP: 'kafka:99999' is no broker"),
        ({"kafka_bootstrap": "kafka:port"}, "STENOLOG_KAFKA_BOOTSTRAP: 'kafka:port' is no broker"),
        ({"kafka_security": "sasl_ssl"}, "STENOLOG_KAFKA_USERNAME is missing"),
        ({"kafka_security": "sasl_ssl", "kafka_username": "anna"}, "STENOLOG_KAFKA_PASSWORD is missing"),
        ({"kafka_password": "secret"}, "STENOLOG_KAFKA_PASSWORD is of use with"),
        ({"kafka_ca": "/ca.pem"}, "STENOLOG_KAFKA_CA is of no use without"),
        ({"kafka_security": "ssl", "kafka_cert": "/c.pem"}, "one is missing"),
        ({"kafka_security": "ssl", "kafka_ca": "/ca.pem"}, "STENOLOG_KAFKA_CA: /ca.pem: no such file"),
        (
            {"kafka_security": "ssl", "kafka_cert": "/c.pem", "kafka_key": "/k.pem"},
            "STENOLOG_KAFKA_CERT and STENOLOG_KAFKA_KEY: /c.pem: no such file",
        ),
        ({"kafka_security": "ssl", "kafka_ca": __file__}, "holds no certificate in PEM"),
    ],
)
async def test_settings_that_cannot_work_are_refused_by_name(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        await brokers_of(Settings(**settings))
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_a_broker_that_wants_a_certificate_of_us_gets_ours(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mutual") / "kafka"
    ours = authority.certify("us")
    async with secured_kafka(folder, authority.certify("mutual"), authority, "SSL") as server:
        nobody = Settings(
            kafka_bootstrap=server.bootstrap, kafka_security="ssl", kafka_ca=str(authority.ca)
        )
        line = await refusal(nobody)
        assert line.startswith(f"STENOLOG_KAFKA_CERT: Kafka at {server.bootstrap} refuses us: ")
        assert "certificate required" in line
        shown = Settings(
            kafka_bootstrap=server.bootstrap,
            kafka_security="ssl",
            kafka_ca=str(authority.ca),
            kafka_cert=str(ours.certificate),
            kafka_key=str(ours.key),
        )
        known = await welcoming_brokers(shown)
        assert isinstance(known, SecureBrokers)
        await create_topics(known, TOPICS, 1)
