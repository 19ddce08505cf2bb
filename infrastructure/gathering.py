"""Questions that are asked at the same moment are answered by one query, as commands are by one commit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

QUESTIONS_MAX: Final = 64
"""Of one query."""
WAIT_SECONDS_MAX: Final = 0.005
"""For a query that is under way. One that takes longer, or that a silent line will never answer, holds nobody else up."""
QUIET_ROUNDS: Final = 2
"""Of the event loop, a few microseconds each: a request is read in one, and asks in the next."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")

Asked: TypeAlias = list[tuple[Question, asyncio.Future[Answer]]]
"""Who waits for an answer."""


class Gathering(Generic[Question, Answer]):
    """`ask` gives the answers in the order of the questions; what it raises, it raises in everybody who asked with them.

    An answer is always of a query that began after its question was asked. So nobody is told what was true before.
    """

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]) -> None:
        self._ask = ask
        self._waiting: Asked[Question, Answer] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._beginning: asyncio.Handle | None = None

    async def answer(self, question: Question) -> Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, answer))
        if self._beginning is None:
            self._beginning = (
                loop.call_later(WAIT_SECONDS_MAX, self._begin) if self._under_way else self._soon(0, 0)
            )
        return await answer

    def _soon(self, seen: int, quiet_rounds: int) -> asyncio.Handle:
        return asyncio.get_running_loop().call_soon(self._begin_when_quiet, seen, quiet_rounds)

    def _begin_when_quiet(self, seen: int, quiet_rounds: int) -> None:
        """Once the event loop has gone round and nobody came: those who were answered just now ask again together."""
        count = len(self._waiting)
        quiet_rounds = 0 if count > seen else quiet_rounds + 1
        if quiet_rounds < QUIET_ROUNDS and count < QUESTIONS_MAX:
            self._beginning = self._soon(count, quiet_rounds)
        else:
            self._begin()

    def _begin(self) -> None:
        self._beginning = None
        asked, self._waiting = self._waiting[:QUESTIONS_MAX], self._waiting[QUESTIONS_MAX:]
        task = asyncio.create_task(self._answer(asked), name="questions of one moment")
        self._under_way.add(task)
        task.add_done_callback(self._end)
        if self._waiting:
            self._beginning = asyncio.get_running_loop().call_soon(self._begin)

    async def _answer(self, asked: Asked[Question, Answer]) -> None:
        try:
            answers = await self._ask([question for question, _ in asked])
            answered = list(zip(asked, answers, strict=True))
        except Exception as problem:  # noqa: BLE001  # whoever asked hears it
            for _, waiting in asked:
                if not waiting.done():
                    waiting.set_exception(problem)
        else:
            for (_, waiting), answer in answered:
                if not waiting.done():  # Whoever asked may have gone.
                    waiting.set_result(answer)
        finally:
            for _, waiting in asked:
                waiting.cancel()  # Of a process that ends; what is answered stays so.

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        if self._beginning is not None and not self._under_way:
            self._beginning.cancel()
            self._beginning = self._soon(0, 0)
