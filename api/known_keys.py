"""Whose an API key is and what it may: looked up in the log, and remembered for a moment."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final
from uuid import UUID

from msgspec import Struct

from api.key_guesses import KeyGuesses
from api.tokens import NotAuthenticated
from commands.execution import load
from domain.api_keys import API_KEYS, ApiKey
from domain.key_texts import MalformedKey, owner_of_key
from domain.ports import Clock, EventStore
from infrastructure.postgres.errors import OUTAGES

KNOWN_SECONDS: Final = 1.0
"""For how long one look serves: so soon what another process revoked is refused here. What this one revokes is refused at once."""
KNOWN_KEYS_MAX: Final = 10_000
NOTED_SECONDS: Final = 300.0
"""How often it is written down that a key is in use: often enough to see which ones nobody needs."""

_LOGGER = logging.getLogger(__name__)


class KnownKey(Struct, frozen=True):
    """A key that was not revoked, and who showed it."""

    key: ApiKey
    user_id: UUID


class _Seen(Struct, frozen=True):
    known: KnownKey
    seen_at: float
    noted_at: float


Look = Callable[[UUID, str], Awaitable[ApiKey | None]]
"""Given whose it says it is, and its digest."""
Note = Callable[[UUID, UUID], Awaitable[None]]
"""Told the key and its user."""


class KnownKeys:
    """Remembers keys by their digests, and only those that were found good: nobody can fill it with made-up ones.

    When the log cannot be asked a key that was not seen within KNOWN_SECONDS is not accepted. From a source that has shown
    many made-up keys only those are looked for that were good before.
    """

    def __init__(
        self, look: Look, note: Note, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._look = look
        self._note = note
        self._clock = clock
        self._monotonic = monotonic
        self._guesses = KeyGuesses(monotonic)
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()
        self._looks: dict[bytes, tuple[UUID, asyncio.Task[KnownKey | None]]] = {}

    async def verify(self, text: str, source: Callable[[], str]) -> KnownKey:
        """Raises NotAuthenticated or TooManyTries, or EventStoreUnavailable or TimeoutError when it has to look and cannot.

        `source` is who shows it, and asked for only when it matters.
        """
        digest = sha256(text.encode()).digest()
        seen = self._seen.get(digest)
        if seen is not None and self._monotonic() - seen.seen_at < KNOWN_SECONDS:
            known = seen.known
        else:
            known = await self._found(text, digest, source())
        if known.key.is_expired(self._clock.now()):
            raise NotAuthenticated("The API key has expired: create another")
        return known

    async def _found(self, text: str, digest: bytes, source: str) -> KnownKey:
        user_id = _owner_of(text)
        if digest not in self._seen:
            self._guesses.require_allowance(source)
        known = await self._looked_up(user_id, digest)
        if known is None:
            self._guesses.count(source)
            raise NotAuthenticated("The API key is not known, or was revoked: create another")
        return known

    async def _looked_up(self, user_id: UUID, digest: bytes) -> KnownKey | None:
        """One look for all who show the same key meanwhile."""
        if digest not in self._looks:
            looking = asyncio.create_task(self._find(user_id, digest), name="known key")
            looking.add_done_callback(_retrieved)
            self._looks[digest] = user_id, looking
        return await asyncio.shield(self._looks[digest][1])

    async def _find(self, user_id: UUID, digest: bytes) -> KnownKey | None:
        this = asyncio.current_task()
        try:
            key = await self._look(user_id, digest.hex())
            known = KnownKey(key, user_id) if key else None
            # What was revoked meanwhile is not remembered: `forget` has taken this look away.
            if self._is_under_way(digest, this):
                await self._remember(digest, known)
            return known
        finally:
            if self._is_under_way(digest, this):
                del self._looks[digest]

    def _is_under_way(self, digest: bytes, looking: "asyncio.Task[object] | None") -> bool:
        return digest in self._looks and self._looks[digest][1] is looking

    async def _remember(self, digest: bytes, known: KnownKey | None) -> None:
        before = self._seen.pop(digest, None)
        if known is None:
            return
        now, noted_at = self._monotonic(), before.noted_at if before else float("-inf")
        is_due = now - noted_at >= NOTED_SECONDS
        self._seen[digest] = _Seen(known, now, now if is_due else noted_at)
        if len(self._seen) > KNOWN_KEYS_MAX:
            self._seen.popitem(last=False)
        if is_due:
            await self._note_use(known)

    async def _note_use(self, known: KnownKey) -> None:
        """Nothing hangs on it."""
        try:
            await self._note(known.key.key_id, known.user_id)
        except OUTAGES as problem:
            _LOGGER.warning("cannot note that an API key is in use: %r", problem)

    def forget(self, user_id: UUID) -> None:
        """All keys of a user: the next request looks anew, and what is being looked up now is not remembered."""
        self._seen = OrderedDict(item for item in self._seen.items() if item[1].known.user_id != user_id)
        self._looks = {digest: look for digest, look in self._looks.items() if look[0] != user_id}


def _owner_of(text: str) -> UUID:
    """Raises NotAuthenticated."""
    try:
        return owner_of_key(text)
    except MalformedKey:
        raise NotAuthenticated("The API key is mistyped or cut off: copy it once more, whole") from None


def _retrieved(looking: "asyncio.Task[KnownKey | None]") -> None:
    """Whoever asked may have gone; then nobody needs to hear what went wrong."""
    if not looking.cancelled():
        looking.exception()


def look_in(store: EventStore, seconds_max: float) -> Look:
    """In the log itself, so that no key is good for longer, or comes later, than its event says."""

    async def look(user_id: UUID, digest: str) -> ApiKey | None:
        async with asyncio.timeout(seconds_max):
            return (await load(store, API_KEYS, user_id, user_id)).state.with_digest(digest)

    return look
