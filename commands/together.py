"""Several things at a time, none of them cut short by another's failure."""

import asyncio
from collections.abc import Awaitable, Iterable


async def together(tasks: Iterable[Awaitable[None]]) -> None:
    """Returns when all have ended; raises the first error there was."""
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
