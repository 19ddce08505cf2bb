"""What a check of one part is: a look with a deadline, whose answer anybody may read."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from infrastructure.disk import is_full
from schemas.bodies import Check, Readiness

CHECK_SECONDS_MAX: Final = 3.0

Look: TypeAlias = Callable[[], Awaitable[str]]
"""Answers what is known of a part; raises NotReady."""


class NotReady(Exception):
    """A part cannot do its work; the message says why, and to anybody."""


async def readiness(required: Mapping[str, Look], others: Mapping[str, Look]) -> Readiness:
    """Looks at all parts at once; ready when those are that are required."""
    looks = {**required, **others}
    checks = await asyncio.gather(
        *(_check(look, required=name in required) for name, look in looks.items())
    )
    ready = all(check.ready for check in checks if check.required)
    return Readiness(ready=ready, parts=dict(zip(looks, checks, strict=True)))


async def _check(look: Look, *, required: bool) -> Check:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return Check(ready=True, required=required, detail=await look())
    except NotReady as problem:
        detail = str(problem)
    except TimeoutError:
        detail = f"no answer within {CHECK_SECONDS_MAX:.0f} s"
    except Exception as problem:  # noqa: BLE001  # whatever keeps a part from answering makes it unready
        detail = "its disk is full" if is_full(problem) else f"does not answer: {type(problem).__name__}"
    return Check(ready=False, required=required, detail=detail)
