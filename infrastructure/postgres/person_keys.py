"""The keys of people, in a table of their own: wrapped by a master key, kept for a minute, and never made again once erased."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import asyncpg

from domain.errors import PersonErased
from infrastructure.master_keys import MasterKeys, WrappedKey, master_keys
from infrastructure.postgres.errors import DatabaseNotMigrated
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried
from schemas.sealing import Keys, PersonKey

DEADLINE_SECONDS: Final = 10.0
KEPT_MAX: Final = 10_000
KEPT_SECONDS: Final = 60.0
"""How long a process may go on reading what was sealed with a key that another process has erased."""

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

Answer = TypeVar("Answer")


class PostgresPersonKeys:
    """A KeyRing. Methods raise DatabaseUnavailable, DatabaseNotMigrated or, where they read a key, KeysUnfit."""

    def __init__(
        self,
        pool: Pool,
        master_keys: MasterKeys,
        *,
        kept_max: int = KEPT_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._master_keys = master_keys
        self._kept = _KeptKeys(kept_max, monotonic)

    async def of(self, owner_ids: Collection[UUID]) -> Keys:
        keys = self._kept.find(owner_ids)
        if missing := list(set(owner_ids) - keys.keys()):
            keys |= await self._asked(lambda: self._read("find", missing))
        return keys

    def at_hand(self, owner_id: UUID) -> PersonKey | None:
        return self._kept.at_hand(owner_id)

    async def provide(self, owner_id: UUID) -> PersonKey:
        key = (await self.provide_each([owner_id]))[owner_id]
        if key is None:
            raise PersonErased
        return key

    async def provide_each(self, owner_ids: Collection[UUID]) -> Keys:
        """Of each of them, made where there is none; None for who was erased."""
        keys = await self.of(owner_ids)
        if not (missing := sorted(set(owner_ids) - keys.keys())):
            return keys
        new = [self._master_keys.wrap(each, PersonKey.new()) for each in missing]
        made = missing, [each.master_key for each in new], [each.wrapped for each in new]
        return {**keys, **await self._asked(lambda: self._read("provide", *made))}

    async def erase(self, owner_id: UUID) -> None:
        """For ever, also of who never had one; other processes forget it within KEPT_SECONDS."""
        await self._asked(lambda: self._pool.execute(_SQL["erase"], owner_id))
        self.forget(owner_id)

    def forget(self, owner_id: UUID) -> None:
        self._kept.forget(owner_id)

    def forget_all(self) -> None:
        self._kept.forget_all()

    async def require_fitting(self) -> None:
        """Looks at one key of each master key. Raises MasterKeyMissing or MasterKeyWrong."""
        for row in await self._asked(lambda: self._pool.fetch(_SQL["one_of_each"])):
            self._unwrapped(row)

    async def rewrap(self, keys_max: int) -> int:
        """Wraps so many keys that an earlier master key wraps by the first one; how many there were."""
        return await self._asked(lambda: self._rewrap(keys_max))

    async def _rewrap(self, keys_max: int) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            earlier = await self._wrapped_otherwise(connection, keys_max)
            again = [
                (row["owner_id"], self._master_keys.wrap(row["owner_id"], self._unwrapped(row)).wrapped)
                for row in earlier
            ]
            if again:
                await connection.execute(_SQL["rewrap"], self._master_keys.first, *zip(*again, strict=True))
        return len(again)

    async def _wrapped_otherwise(self, connection: Connection, keys_max: int) -> Sequence[asyncpg.Record]:
        """Of one earlier master key, so many of those that no other process has in hand."""
        names = [row["master_key"] for row in await connection.fetch(_SQL["one_of_each"])]
        for name in names:
            if name != self._master_keys.first and (
                found := await connection.fetch(_SQL["wrapped_by"], name, keys_max)
            ):
                return found
        return ()

    async def _read(self, query: str, *arguments: object) -> dict[UUID, PersonKey | None]:
        """What was read before somebody said that a key is to be forgotten is not kept after that."""
        forgotten = self._kept.forgotten
        rows = await self._pool.fetch(_SQL[query], *arguments)
        keys = {row["owner_id"]: self._unwrapped(row) if row["wrapped"] else None for row in rows}
        if forgotten == self._kept.forgotten:
            self._kept.keep(keys)
        return keys

    def _unwrapped(self, row: asyncpg.Record) -> PersonKey:
        return self._master_keys.unwrap(row["owner_id"], WrappedKey(row["master_key"], row["wrapped"]))

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            return await retried(ask, DEADLINE_SECONDS)
        except asyncpg.UndefinedTableError as problem:
            raise DatabaseNotMigrated from problem


async def fitting_person_keys(pool: Pool, master_keys_text: str) -> PostgresPersonKeys:
    """With the master keys of the settings, which fit what is stored. Raises InvalidSetting or DatabaseNotMigrated."""
    keys = PostgresPersonKeys(pool, master_keys(master_keys_text))
    await keys.require_fitting()
    return keys


class _KeptKeys:
    """Those that were used last, each for KEPT_SECONDS from when it was read."""

    def __init__(self, kept_max: int, monotonic: Callable[[], float]) -> None:
        self._kept_max = kept_max
        self._monotonic = monotonic
        self._kept: OrderedDict[UUID, tuple[PersonKey | None, float]] = OrderedDict()
        self.forgotten = 0
        """How often something was."""

    def at_hand(self, owner_id: UUID) -> PersonKey | None:
        key, until = self._kept.get(owner_id, (None, 0.0))
        return key if until > self._monotonic() else None

    def find(self, owner_ids: Iterable[UUID]) -> dict[UUID, PersonKey | None]:
        now, found = self._monotonic(), dict[UUID, PersonKey | None]()
        for owner_id in owner_ids:
            key, until = self._kept.get(owner_id, (None, 0.0))
            if until > now:
                self._kept.move_to_end(owner_id)
                found[owner_id] = key
        return found

    def keep(self, keys: Keys) -> None:
        until = self._monotonic() + KEPT_SECONDS
        for owner_id, key in keys.items():
            self._kept[owner_id] = (key, until)
            self._kept.move_to_end(owner_id)
        while len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)

    def forget(self, owner_id: UUID) -> None:
        self.forgotten += 1
        self._kept.pop(owner_id, None)

    def forget_all(self) -> None:
        self.forgotten += 1
        self._kept.clear()
