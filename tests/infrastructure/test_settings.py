"""A variable that nobody could mean is refused at start, by its name."""

import pytest

from infrastructure.settings import InvalidSetting, Settings, read_settings, to_environment

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


@pytest.mark.parametrize(("text", "batch"), [("auto", "auto"), ("1", 1), ("64", 64)])
def test_a_batch_is_a_number_or_left_to_the_device(text: str, batch: str | int) -> None:
    assert read_settings({"STENOLOG_BATCH": text}).batch == batch


@pytest.mark.parametrize("text", ["0", "65", "-1", "8.5", "all", ""])
def test_what_is_no_batch_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^STENOLOG_BATCH: "):
        read_settings({"STENOLOG_BATCH": text})


@pytest.mark.parametrize(("text", "seconds"), [("auto", "auto"), ("120", 120.0), ("7.5", 7.5)])
def test_windows_have_a_length_or_leave_it_to_the_engine(text: str, seconds: str | float) -> None:
    settings = read_settings({"STENOLOG_WINDOW_SECONDS": text})
    assert settings.window_seconds == seconds
    assert read_settings(to_environment(settings)) == settings


def test_what_a_client_reads_from_the_environment_is_no_wrong_setting() -> None:
    of_a_client = ("URL", "EMAIL", "PASSWORD", "TOKEN", "API_KEY")
    assert read_settings({f"STENOLOG_{name}": "something" for name in of_a_client}) == Settings()
