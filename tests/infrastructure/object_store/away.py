"""An object store that is away for as long as a test wants."""

from collections.abc import AsyncIterator
from pathlib import Path

from domain.ports import ObjectStore, ObjectStoreUnavailable


class AwayStore:
    """Fails the next `failures` calls, of the methods in `only` if it names some, and counts those it failed."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.failures = 0.0
        self.only: frozenset[str] = frozenset()
        self.failed = 0

    async def put(self, key: str, content: bytes) -> None:
        self._answer("put")
        await self._store.put(key, content)

    async def put_file(self, key: str, path: Path) -> None:
        self._answer("put_file")
        await self._store.put_file(key, path)

    async def get(self, key: str) -> bytes:
        self._answer("get")
        return await self._store.get(key)

    async def stream(
        self, key: str, chunk_bytes: int = 1 << 20, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        self._answer("stream")
        async for chunk in self._store.stream(key, chunk_bytes, start=start, end=end):
            yield chunk

    async def fetch(self, key: str, path: Path) -> None:
        self._answer("fetch")
        await self._store.fetch(key, path)

    async def exists(self, key: str) -> bool:
        self._answer("exists")
        return await self._store.exists(key)

    async def delete(self, key: str) -> None:
        self._answer("delete")
        await self._store.delete(key)

    async def delete_all(self, folder: str) -> None:
        self._answer("delete_all")
        await self._store.delete_all(folder)

    def _answer(self, method: str) -> None:
        if self.failures <= 0 or (self.only and method not in self.only):
            return
        self.failures -= 1
        self.failed += 1
        raise ObjectStoreUnavailable("away on purpose")
