"""Who waits says for what: at once, again every minute, and when it has come."""

import logging

import pytest

from infrastructure.waiting import Wait


def test_waiting_is_told_at_once_then_every_minute_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    now = 1_000.0
    wait = Wait("Kafka at kafka:9092", lambda: now)
    for _ in range(1_300):
        wait.goes_on("refused")
        now += 0.125
    wait.is_over()
    assert [record.message for record in caplog.records] == [
        "waiting for Kafka at kafka:9092, for 0 s now: refused",
        "waiting for Kafka at kafka:9092, for 60 s now: refused",
        "waiting for Kafka at kafka:9092, for 120 s now: refused",
        "Kafka at kafka:9092 is there, after 162 s",
    ]


def test_what_was_there_at_once_is_not_talked_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Wait("the database").is_over()
    assert caplog.records == []


def test_a_second_outage_is_told_like_the_first(caplog: pytest.LogCaptureFixture) -> None:
    wait = Wait("the database")
    for _ in range(2):
        wait.goes_on("refused")
        wait.is_over()
    assert [record.message for record in caplog.records] == [
        "waiting for the database, for 0 s now: refused"
    ] * 2
