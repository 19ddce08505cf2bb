"""Bearer tokens: who the caller is, signed by us and good for a day."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any, ClassVar, Final
from uuid import UUID

import jwt
from msgspec import Struct

from domain.errors import Rejection
from domain.ports import Clock

ALGORITHM: Final = "HS256"
ISSUER: Final = "stenolog"
AUDIENCE: Final = "stenolog-api"
SECRET_CHARACTERS_MIN: Final = 32
"""RFC 7518, 3.2: a key of at least the size of the hash."""
LEEWAY_SECONDS: Final = 5
"""By how much the clocks of two API processes may differ."""
VERIFIED_SECONDS: Final = 60.0
"""For how long a token that was found good is not looked at again, unless it expires before."""
VERIFIED_TOKENS_MAX: Final = 10_000
"""Each takes about 300 bytes."""


class NotAuthenticated(Rejection):
    """Nobody knows who asks; every message says what to send. `challenge` is RFC 6750's for a token that is not good."""

    code = "not_authenticated"
    challenge: ClassVar[str] = 'Bearer error="invalid_token"'


class TokenMissing(NotAuthenticated):
    """Nothing was shown, so there is nothing to say of it (RFC 6750, 3.1)."""

    challenge: ClassVar[str] = "Bearer"


class Verified(Struct, frozen=True):
    """`expires_at` is of the calendar, like the claim; `seen_at` of a clock that nobody sets back."""

    user_id: UUID
    expires_at: float
    seen_at: float


class Tokens:
    """Remembers by their digests which tokens it has found good: to find out is a sixth of what a query costs.

    Nothing that would be noticed without it is noticed later: a token ends when it expires and in no other way, and
    whether its user is still one is asked elsewhere.
    """

    def __init__(
        self,
        secret: str,
        lifetime_seconds: int,
        clock: Clock,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secret = secret
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._clock = clock
        self._now = now
        self._monotonic = monotonic
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()

    def issue(self, user_id: UUID) -> str:
        now = self._clock.now()
        claims = {
            "sub": str(user_id),
            "iat": now,
            "exp": now + self._lifetime,
            "iss": ISSUER,
            "aud": AUDIENCE,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def verify(self, token: str) -> UUID:
        """The user a token was issued to. Raises NotAuthenticated."""
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        verified = self._verified.get(digest)
        if verified is None or not self._holds(verified):
            verified = self._look(token)
            self._remember(digest, verified)
        return verified.user_id

    def _holds(self, verified: Verified) -> bool:
        is_fresh = self._monotonic() - verified.seen_at < VERIFIED_SECONDS
        return is_fresh and self._now() < verified.expires_at

    def _look(self, token: str) -> Verified:
        try:
            claims = self._claims(token)
            expires_at = int(claims["exp"]) + LEEWAY_SECONDS
            return Verified(UUID(claims["sub"]), expires_at, self._monotonic())
        except jwt.ExpiredSignatureError:
            raise NotAuthenticated("The token has expired: log in again") from None
        except (jwt.InvalidTokenError, ValueError):
            raise NotAuthenticated("Invalid or expired token: log in again") from None

    def _remember(self, digest: bytes, verified: Verified) -> None:
        self._verified[digest] = verified
        self._verified.move_to_end(digest)
        if len(self._verified) > VERIFIED_TOKENS_MAX:
            self._verified.popitem(last=False)

    def _claims(self, token: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            self._secret,
            algorithms=[ALGORITHM],  # a token cannot choose how it is checked
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=LEEWAY_SECONDS,
            options={"require": ["sub", "iat", "exp", "iss", "aud"]},
        )
