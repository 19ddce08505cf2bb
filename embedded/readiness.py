"""Waits until the API says that every part of the system works, and tells meanwhile which does not."""

import asyncio
import time
from pathlib import Path
from typing import Final

import httpx
import msgspec

from embedded.supervisor import Say
from infrastructure.mendable import Mendable
from schemas.bodies import Readiness

SYSTEM_PATH: Final = "/v1/health/system"
TOLD_ONLY: Final = frozenset({"disks", "event_log", "sandbox"})
"""Parts that will not be better for waiting, and without which everything works for now."""
_DEADLINE_SECONDS: Final = 120.0
_ASK_EVERY_SECONDS: Final = 0.1
_TELL_EVERY_SECONDS: Final = 5.0


class NotReady(Mendable):
    """Everything was started, but it does not work together."""

    def __init__(self, answer: str, logs: Path) -> None:
        super().__init__(f"not ready after {_DEADLINE_SECONDS:.0f} s: {answer}; the logs are in {logs}")


async def wait_until_ready(api_url: str, logs: Path, say: Say) -> None:
    """Raises NotReady."""
    say("waiting until every part says that it is ready")
    began = told = time.monotonic()
    async with httpx.AsyncClient(base_url=api_url, timeout=5.0, trust_env=False) as client:
        while answer := await _what_is_missing(client, say):
            now = time.monotonic()
            if now - began > _DEADLINE_SECONDS:
                raise NotReady(answer, logs)
            if now - told > _TELL_EVERY_SECONDS:
                told = now
                say(f"not ready yet after {now - began:.0f} s: {answer}")
            await asyncio.sleep(_ASK_EVERY_SECONDS)


async def _what_is_missing(client: httpx.AsyncClient, say: Say) -> str:
    """Empty when nothing is. The API calls itself ready without the other processes; we do not."""
    try:
        response = await client.get(SYSTEM_PATH)
        readiness = msgspec.json.decode(response.content, type=Readiness)
    except (httpx.HTTPError, msgspec.DecodeError):
        return "the API does not answer"
    wrong = {name: part.detail for name, part in readiness.parts.items() if not part.ready}
    missing = [f"{name}: {detail}" for name, detail in wrong.items() if name not in TOLD_ONLY]
    if not missing and readiness.ready:
        for name, detail in wrong.items():
            say(f"beware of the {name}: {detail}")
        return ""
    return "; ".join(missing) or "the API is not ready"
