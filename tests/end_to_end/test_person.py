"""A person who polls goes on through restarts, and through nothing else."""

import httpx
import pytest

from tests.end_to_end.person import Person

COMPLETED = httpx.Response(200, json={"status": "completed"})
AWAY = httpx.ConnectError("nobody listens")
COME_AGAIN = httpx.Response(503, headers={"Retry-After": "1"})


def person_who_is_answered(*answers: httpx.Response | Exception) -> Person:
    left = iter(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        given = next(left)
        if isinstance(given, Exception):
            raise given
        return given

    client = httpx.AsyncClient(base_url="http://stenolog", transport=httpx.MockTransport(answer))
    return Person(client, "anna@example.com")


async def test_a_server_that_is_away_or_asks_to_come_again_is_asked_again() -> None:
    anna = person_who_is_answered(AWAY, COME_AGAIN, COMPLETED)
    async with anna.client:
        assert await anna.waits_for("t", "completed") == {"status": "completed"}


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(503), httpx.Response(404)])
async def test_any_other_answer_is_a_failure_at_once(answer: httpx.Response) -> None:
    anna = person_who_is_answered(answer, COMPLETED)
    async with anna.client:
        with pytest.raises(AssertionError, match=str(answer.status_code)):
            await anna.waits_for("t", "completed")


async def test_what_was_never_answered_is_said_when_the_wait_ends() -> None:
    anna = person_who_is_answered(AWAY)
    async with anna.client:
        with pytest.raises(AssertionError, match="last seen: nothing"):
            await anna.waits_for("t", "completed", deadline_seconds=0.01)
