"""Whether the user of a good token is still one: a token outlives an erased account, and a database that was made anew."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from api.database import reading
from commands.execution import load
from domain.ports import EventStore
from domain.user import USER
from infrastructure.postgres.pool import Pool
from projections import users

KNOWN_SECONDS: Final = 60.0
"""For how long one look serves: an erasure in another process is noticed after it at the latest."""
KNOWN_USERS_MAX: Final = 10_000

Look = Callable[[UUID], Awaitable[bool]]


class KnownUsers:
    """Remembers who was found, and only those: a token of nobody is looked up each time, and nobody can make one."""

    def __init__(self, look: Look, clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._seen_at: OrderedDict[UUID, float] = OrderedDict()

    async def knows(self, user_id: UUID) -> bool:
        """Raises DatabaseProblem when it has to look and cannot."""
        seen_at = self._seen_at.get(user_id)
        if seen_at is not None and self._clock() - seen_at < KNOWN_SECONDS:
            return True
        self.forget(user_id)
        if not await self._look(user_id):
            return False
        self._seen_at[user_id] = self._clock()
        if len(self._seen_at) > KNOWN_USERS_MAX:
            self._seen_at.popitem(last=False)
        return True

    def forget(self, user_id: UUID) -> None:
        """So that the next request looks anew."""
        self._seen_at.pop(user_id, None)


def look_in(read_models: Pool, store: EventStore) -> Look:
    """In the read models, and for somebody whom they do not know yet in the log."""

    async def look(user_id: UUID) -> bool:
        async with reading(read_models) as connection:
            if await users.find(connection, user_id) is not None:
                return True
        return (await load(store, USER, user_id)).state.user_id is not None

    return look
