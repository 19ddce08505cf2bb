"""What somebody brings along is used, and what contradicts itself is refused."""

import pytest

from embedded.given import Given, given, require_in_the_clear, without_given
from infrastructure.settings import InvalidSetting, Settings

DATABASE = {"STENOLOG_DATABASE_URL": "postgresql://db/stenolog"}
KAFKA = {"STENOLOG_KAFKA_BOOTSTRAP": "kafka:9092"}


def test_without_variables_everything_is_started() -> None:
    assert given({}) == Given(database=False, object_store=False, broker="")


def test_what_a_variable_names_is_there() -> None:
    objects = {"STENOLOG_OBJECT_STORE": "s3://bucket"}
    assert given(DATABASE | objects | KAFKA) == Given(database=True, object_store=True, broker="external")


def test_an_external_kafka_may_be_asked_for_by_name() -> None:
    for variables in ({}, KAFKA):
        assert given({"STENOLOG_BROKER": "external"} | variables).broker == "external"


def test_a_kafka_of_ones_own_and_one_of_ours_contradict_each_other() -> None:
    with pytest.raises(
        InvalidSetting, match=r"^STENOLOG_KAFKA_BOOTSTRAP .* STENOLOG_BROKER=noida .* unset one"
    ):
        given({"STENOLOG_BROKER": "noida"} | KAFKA)


@pytest.mark.parametrize("name", ["DATABASE_URL", "OBJECT_STORE", "KAFKA_BOOTSTRAP", "HOST"])
def test_an_empty_variable_is_refused(name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^STENOLOG_{name} is empty: unset it"):
        given({f"STENOLOG_{name}": " "})


def test_encryption_is_for_what_is_not_started_here() -> None:
    security = {"STENOLOG_KAFKA_SECURITY": "ssl"}
    assert given(KAFKA | security).broker == "external"
    with pytest.raises(InvalidSetting, match=r"^STENOLOG_KAFKA_SECURITY is for a Kafka of yours"):
        given(security)
    require_in_the_clear(Settings())
    for wrong, name in (
        (Settings(tls_cert="/c.pem"), "TLS_CERT"),
        (Settings(tls_key="/k.pem"), "TLS_KEY"),
        (Settings(require_encryption=True), "REQUIRE_ENCRYPTION"),
    ):
        with pytest.raises(InvalidSetting, match=f"^STENOLOG_{name}: "):
            require_in_the_clear(wrong)


def test_the_demo_takes_nothing_of_anybody() -> None:
    limits = {"STENOLOG_FREE_MINUTES": "5", "PATH": "/bin"}
    assert without_given(DATABASE | KAFKA | limits | {"STENOLOG_BROKER": "noida"}) == limits | {
        "STENOLOG_BROKER": "noida"
    }
    encryption = {
        "STENOLOG_KAFKA_PASSWORD": "p",
        "STENOLOG_TLS_KEY": "k",
        "STENOLOG_REQUIRE_ENCRYPTION": "1",
    }
    assert without_given(KAFKA | limits | encryption) == limits
    assert without_given(KAFKA | limits | {"STENOLOG_BROKER": "external"}) == limits
