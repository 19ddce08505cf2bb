"""Rotation: batch after batch until all is done, again later, and an outage only puts it off."""

import asyncio
from collections.abc import Sequence

import pytest

from dispatcher.rewrapping import KEYS_MAX, keep_rewrapping
from domain.ports import EventStoreUnavailable
from infrastructure.master_keys import MasterKeyMissing


class Answers:
    """Of `rewrap`, one after the other; the last of them ends the test."""

    def __init__(self, answers: Sequence[int | Exception]) -> None:
        self._answers = iter(answers)
        self.asked: list[int] = []

    async def rewrap(self, keys_max: int) -> int:
        self.asked.append(keys_max)
        answer = next(self._answers, None)
        if answer is None:
            raise asyncio.CancelledError
        if isinstance(answer, Exception):
            raise answer
        return answer


async def rewrap(answers: Answers) -> None:
    with pytest.raises(asyncio.CancelledError):
        await keep_rewrapping(answers, look_seconds=0.0, pause_seconds=0.0)


async def test_all_are_wrapped_and_then_it_looks_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    answers = Answers([KEYS_MAX, 7, 0, 0, 3, 0])
    await rewrap(answers)
    assert answers.asked == [KEYS_MAX] * 7
    assert [record.getMessage() for record in caplog.records] == [
        f"{KEYS_MAX + 7} keys of people are wrapped by the first master key now",
        "3 keys of people are wrapped by the first master key now",
    ]


@pytest.mark.parametrize(
    "problem", [EventStoreUnavailable("away"), MasterKeyMissing("old"), OSError("away")]
)
async def test_what_is_away_or_missing_is_waited_for(
    problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    answers = Answers([problem, 2, 0])
    await rewrap(answers)
    assert len(answers.asked) == 4
    assert str(problem) in caplog.text
