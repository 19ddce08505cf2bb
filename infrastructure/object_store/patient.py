"""An object store that sits outages out: whoever calls it waits, for as long as its patience lasts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from domain.ports import ObjectStore, ObjectStoreUnavailable
from infrastructure.waiting import Wait

Answer = TypeVar("Answer")


class Patience(Struct, frozen=True, kw_only=True):
    """How long an outage is sat out, counted from the first call that failed; a call under way is not cut off."""

    seconds_max: float = 600.0
    pause_seconds: float = 0.25
    """Before the second try; twice as long before each further one."""
    pause_seconds_max: float = 4.0


async def sit_out(ask: Callable[[], Awaitable[Answer]], patience: Patience) -> Answer:
    """Asks until the store answers. Raises ObjectStoreUnavailable when that takes too long."""
    try:
        return await ask()
    except ObjectStoreUnavailable as problem:
        wait = Wait("the object store")
        wait.goes_on(problem)
    answer = await _ask_again(ask, patience, wait)
    wait.is_over()
    return answer


async def _ask_again(ask: Callable[[], Awaitable[Answer]], patience: Patience, wait: Wait) -> Answer:
    now = asyncio.get_running_loop().time
    until = now() + patience.seconds_max
    pause = patience.pause_seconds
    while True:
        await asyncio.sleep(pause)
        try:
            return await ask()
        except ObjectStoreUnavailable as problem:
            wait.goes_on(problem)
            pause = min(2 * pause, patience.pause_seconds_max)
            if now() + pause > until:
                raise


class PatientObjectStore:
    """`store`, but a call returns only once it was answered, or when patience ends. Cancel it to stop at once."""

    def __init__(self, store: ObjectStore, patience: Patience) -> None:
        self._store = store
        self._patience = patience

    async def put(self, key: str, content: bytes) -> None:
        await sit_out(lambda: self._store.put(key, content), self._patience)

    async def put_file(self, key: str, path: Path) -> None:
        await sit_out(lambda: self._store.put_file(key, path), self._patience)

    async def get(self, key: str) -> bytes:
        return await sit_out(lambda: self._store.get(key), self._patience)

    def stream(
        self, key: str, chunk_bytes: int = 1 << 20, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """Without patience: what was handed out cannot be taken back. `fetch` begins again."""
        return self._store.stream(key, chunk_bytes, start=start, end=end)

    async def fetch(self, key: str, path: Path) -> None:
        """A full disk where `path` lies is no outage of the store: that OSError comes at once."""
        await sit_out(lambda: self._store.fetch(key, path), self._patience)

    async def exists(self, key: str) -> bool:
        return await sit_out(lambda: self._store.exists(key), self._patience)

    async def delete(self, key: str) -> None:
        await sit_out(lambda: self._store.delete(key), self._patience)

    async def delete_all(self, folder: str) -> None:
        await sit_out(lambda: self._store.delete_all(folder), self._patience)
