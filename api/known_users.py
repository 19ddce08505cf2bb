"""Whether the user of a good token is still one: a token outlives an erased account, and a database that was made anew."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from api.database import Reading
from commands.execution import load
from domain.errors import PersonErased
from domain.ports import EventStore
from domain.user import USER, require_staying
from projections import users

KNOWN_SECONDS: Final = 60.0
"""For how long one look serves. Nothing of an erased user is shown or changed for it: each query asks for the mark of an erasure,
and each command for its event."""
KNOWN_USERS_MAX: Final = 10_000

Look = Callable[[UUID], Awaitable[bool]]


class KnownUsers:
    """Remembers who was found, and only those: a token of nobody is looked up each time, and nobody can make one."""

    def __init__(self, look: Look, clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._seen_at: OrderedDict[UUID, float] = OrderedDict()
        self._looks: dict[UUID, asyncio.Task[bool]] = {}

    async def knows(self, user_id: UUID) -> bool:
        """Raises DatabaseProblem when it has to look and cannot, and PersonErased for who has asked for that."""
        seen_at = self._seen_at.get(user_id)
        if seen_at is not None and self._clock() - seen_at < KNOWN_SECONDS:
            return True
        looking = self._looks.get(user_id)
        if looking is None:
            looking = self._looks[user_id] = asyncio.create_task(self._find(user_id), name="known user")
            looking.add_done_callback(_retrieved)
        return await asyncio.shield(looking)

    async def _find(self, user_id: UUID) -> bool:
        """One look for all who ask about the same user meanwhile: hundreds of looks would wait for one another."""
        this = asyncio.current_task()
        try:
            found = await self._look(user_id)
            if found and self._looks.get(user_id) is this:
                self._remember(user_id)
            return found
        finally:
            if self._looks.get(user_id) is this:
                del self._looks[user_id]

    def _remember(self, user_id: UUID) -> None:
        self._seen_at[user_id] = self._clock()
        self._seen_at.move_to_end(user_id)
        if len(self._seen_at) > KNOWN_USERS_MAX:
            self._seen_at.popitem(last=False)

    def forget(self, user_id: UUID) -> None:
        """So that the next request looks anew, and what is being looked up now is not remembered."""
        self._seen_at.pop(user_id, None)
        self._looks.pop(user_id, None)


def _retrieved(looking: "asyncio.Task[bool]") -> None:
    """Whoever asked may have gone; then nobody needs to hear what went wrong."""
    if not looking.cancelled():
        looking.exception()


def look_in(reading: Reading, store: EventStore) -> Look:
    """In the read models, and for somebody whom they do not know yet, or any more, in the log."""

    async def look(user_id: UUID) -> bool:
        async with reading() as connection:
            user = await users.find(connection, user_id)
        if user is not None and user.leaves:
            raise PersonErased
        if user is not None:
            return True
        state = (await load(store, USER, user_id, user_id)).state
        require_staying(state)
        return state.user_id is not None

    return look
