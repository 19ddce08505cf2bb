"""How often one may try to register and to log in: by source, by account from one source, and by account.

Somebody who guesses from many addresses meets the limit of the account. It would lock its owner out as well, so it
holds only for sources from which nobody has logged in to that account lately.
"""

from math import ceil
from typing import Final, Protocol
from uuid import UUID

from api.rejections import TooManyTries

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3600
SOURCE_ALLOWANCE: Final = 10
"""How many times the allowance of one account a source has: people share addresses."""
ACCOUNT_ALLOWANCE: Final = 10
"""How many minutes' worth of one source an account takes in an hour from all unknown sources together."""
NOBODY: Final = UUID(int=0)
"""Asked about for addresses that are nobody's, so that it takes as long as for others."""


class RateLimit(Protocol):
    async def allow(self, key: str, limit: int, window_seconds: int) -> float:
        """Counts one try unless it is refused; the seconds to wait, 0 when it is allowed."""
        ...


class KnownSources(Protocol):
    async def is_known(self, user_id: UUID, source: str) -> bool:
        """Whether the user has logged in from there lately."""
        ...

    async def remember(self, user_id: UUID, source: str) -> None: ...


class Attempts:
    """`per_minute` is what one account has from one source; everything else follows from it."""

    def __init__(self, rate_limit: RateLimit, known_sources: KnownSources, per_minute: int) -> None:
        self._rate_limit = rate_limit
        self._known_sources = known_sources
        self._per_minute = per_minute

    async def require_allowance(self, action: str, email: str, source: str) -> None:
        """Counts a try of one source, and one at one account from there. Raises TooManyTries."""
        await self._count(f"{action} {source}", self._per_minute * SOURCE_ALLOWANCE, MINUTE_SECONDS)
        await self._count(f"{action} {email} {source}", self._per_minute, MINUTE_SECONDS)

    async def require_login_allowance(self, email: str, user_id: UUID | None, source: str) -> None:
        """Counts a login to an account, whoever tries it, unless its owner was there before. Raises TooManyTries."""
        if not await self._known_sources.is_known(user_id or NOBODY, source):
            await self._count(f"login {email}", self._per_minute * ACCOUNT_ALLOWANCE, HOUR_SECONDS)

    async def succeeded(self, user_id: UUID, source: str) -> None:
        """From now on the owner of the account is known there."""
        await self._known_sources.remember(user_id, source)

    async def _count(self, key: str, limit: int, window_seconds: int) -> None:
        wait_seconds = await self._rate_limit.allow(key, limit, window_seconds)
        if wait_seconds > 0:
            raise TooManyTries(ceil(wait_seconds))
