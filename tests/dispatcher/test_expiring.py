"""Kept answers: batch after batch until no old ones are left, again later, and an outage only puts it off."""

import asyncio
from collections.abc import Sequence

import pytest

from dispatcher.expiring import keep_expiring


class Answers:
    """Of `expire`, one after the other; the last of them ends the test."""

    def __init__(self, answers: Sequence[int | Exception]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def expire(self) -> int:
        self.asked += 1
        if not self._answers:
            raise asyncio.CancelledError
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def expire(answers: Answers) -> None:
    with pytest.raises(asyncio.CancelledError):
        await keep_expiring(answers, look_seconds=0.0, pause_seconds=0.0)


async def test_all_that_is_old_goes_and_then_it_looks_again() -> None:
    answers = Answers([1_000, 7, 0, 0, 3, 0])
    await expire(answers)
    assert answers.asked == 7


async def test_a_database_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    answers = Answers([OSError("away"), 2, 0])
    await expire(answers)
    assert answers.asked == 4
    assert "removed later: OSError" in caplog.text
