"""Questions of one moment go to the database together, and nobody is told what was true before."""

import asyncio
from collections.abc import Sequence

import pytest

from infrastructure.gathering import QUESTIONS_MAX, Gathering


class Database:
    """Answers what is true when a query begins, once it is let; remembers what it was asked."""

    def __init__(self) -> None:
        self.truth = "before"
        self.queries: list[list[int]] = []
        self.begun = asyncio.Event()
        self.is_silent = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def ask(self, questions: Sequence[int]) -> list[tuple[int, str]]:
        self.queries.append(list(questions))
        self.begun.set()
        truth = self.truth
        if self.is_silent:
            await asyncio.Event().wait()
        await self.may_answer.wait()
        if 13 in questions:
            raise LookupError("the database is away")
        return [(question, truth) for question in questions]


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def gathering(database: Database) -> Gathering[int, tuple[int, str]]:
    return Gathering(database.ask)


Answers = Gathering[int, tuple[int, str]]


async def test_what_is_asked_at_once_is_one_query_and_everybody_has_an_answer_of_their_own(
    database: Database, gathering: Answers
) -> None:
    answers = await asyncio.gather(*(gathering.answer(number) for number in range(10)))
    assert answers == [(number, "before") for number in range(10)]
    assert database.queries == [list(range(10))]


async def test_who_asks_while_a_query_is_under_way_gets_the_answer_of_the_next(
    database: Database, gathering: Answers
) -> None:
    database.may_answer.clear()
    first = asyncio.create_task(gathering.answer(1))
    await database.begun.wait()
    database.truth = "after"
    later = [asyncio.create_task(gathering.answer(number)) for number in (1, 2)]
    database.may_answer.set()
    assert await first == (1, "before")
    assert await asyncio.gather(*later) == [(1, "after"), (2, "after")]
    assert database.queries == [[1], [1, 2]]


async def test_who_comes_late_is_soon_asking_with_the_others(
    database: Database, gathering: Answers
) -> None:
    async def keep_asking(number: int) -> None:
        for _ in range(5):
            await gathering.answer(number)

    database.may_answer.clear()
    early = [asyncio.create_task(keep_asking(number)) for number in range(100, 109)]
    await database.begun.wait()
    late = asyncio.create_task(keep_asking(109))
    await asyncio.sleep(0)
    database.may_answer.set()
    await asyncio.gather(*early, late)
    assert [len(query) for query in database.queries] == [9, 10, 10, 10, 10, 1]


async def test_a_query_that_hangs_holds_nobody_else_up(database: Database, gathering: Answers) -> None:
    database.is_silent = True
    stuck = asyncio.create_task(gathering.answer(1))
    await database.begun.wait()
    database.is_silent = False
    async with asyncio.timeout(10):
        assert await gathering.answer(2) == (2, "before")
    assert not stuck.done()
    stuck.cancel()


async def test_more_than_a_query_takes_are_several_at_the_same_time(
    database: Database, gathering: Answers
) -> None:
    numbers = [number + 100 for number in range(2 * QUESTIONS_MAX + 1)]
    answers = await asyncio.gather(*map(gathering.answer, numbers))
    assert [number for number, _ in answers] == numbers
    assert [len(query) for query in database.queries] == [QUESTIONS_MAX, QUESTIONS_MAX, 1]


async def test_a_failure_is_told_to_all_who_asked_together_and_to_nobody_after(
    database: Database, gathering: Answers
) -> None:
    told = await asyncio.gather(*map(gathering.answer, (12, 13)), return_exceptions=True)
    assert [type(each) for each in told] == [LookupError, LookupError]
    assert await gathering.answer(14) == (14, "before")


async def test_who_goes_away_takes_no_answer_from_others(database: Database, gathering: Answers) -> None:
    database.may_answer.clear()
    leaving, staying = (asyncio.create_task(gathering.answer(number)) for number in (1, 2))
    await database.begun.wait()
    leaving.cancel()
    database.may_answer.set()
    assert await staying == (2, "before")
    assert leaving.cancelled()


async def test_a_query_that_forgets_somebody_leaves_nobody_waiting() -> None:
    async def forgetful(questions: Sequence[int]) -> list[int]:
        return list(questions[:-1])

    gathering: Gathering[int, int] = Gathering(forgetful)
    with pytest.raises(ValueError, match="zip"):
        async with asyncio.timeout(10):
            await asyncio.gather(gathering.answer(1), gathering.answer(2))
