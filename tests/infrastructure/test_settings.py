"""A variable that nobody could mean is refused at start, by its name."""

import pytest

from infrastructure.settings import InvalidSetting, read_settings

VARIABLE = "STENOLOG_KAFKA_BOOTSTRAP"


@pytest.mark.parametrize(
    "brokers",
    [
        "",
        "kafka",
        ":9092",
        "kafka:",
        "kafka:0",
        "kafka:65536",
        "kafka:port",
        "kafka:²",
        "kafka 1:9092",
        "http://kafka:9092",
        "kafka:9092,",
        "kafka:9092;other:9092",
        "::1:9092",
    ],
)
def test_what_is_no_list_of_brokers_is_refused_by_name(brokers: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"^{VARIABLE}: .* is no broker: give host:port") as refused:
        read_settings({VARIABLE: brokers})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "brokers", ["kafka:9092", "127.0.0.1:1", "[::1]:9092", "a.example:9092, b_2.example:65535"]
)
def test_brokers_are_taken_as_they_are_written(brokers: str) -> None:
    assert read_settings({VARIABLE: brokers}).kafka_bootstrap == brokers
