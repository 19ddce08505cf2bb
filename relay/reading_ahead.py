"""The log, read on while what was read before is being sent."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType

from domain.log import LogRecord
from domain.ports import EventLog

Read = Mapping[int, Sequence[LogRecord]]


class ReadingAhead:
    def __init__(self, log: EventLog, records_max: int) -> None:
        self._log = log
        self._records_max = records_max
        self._ahead: tuple[Mapping[int, int], asyncio.Task[Read]] | None = None

    async def __aenter__(self) -> "ReadingAhead":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget()

    def begin(self, after: Mapping[int, int]) -> None:
        self._forget()
        self._ahead = dict(after), asyncio.create_task(self._read(after))

    async def read(self, after: Mapping[int, int]) -> Read:
        """What follows, and no more than was asked for: of what was read ahead, if it is that."""
        if self._ahead is not None and self._ahead[0] == after:
            (_, task), self._ahead = self._ahead, None
            return await task
        self._forget()
        return await self._read(after)

    async def _read(self, after: Mapping[int, int]) -> Read:
        # One more, since where something was relayed already the last event of that comes again.
        return await self._log.read_each(after, self._records_max + 1) if after else {}

    def _forget(self) -> None:
        if self._ahead is not None:
            self._ahead[1].cancel()
            self._ahead[1].add_done_callback(lambda task: task.cancelled() or task.exception())
            self._ahead = None
