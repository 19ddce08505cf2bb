"""Bearer tokens: who the caller is, signed by us and good for a day."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import jwt
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from domain.errors import Rejection
from domain.ports import Clock

ALGORITHM: Final = "HS256"
ISSUER: Final = "stenolog"
AUDIENCE: Final = "stenolog-api"
SECRET_CHARACTERS_MIN: Final = 32
"""RFC 7518, 3.2: a key of at least the size of the hash."""
LEEWAY_SECONDS: Final = 5
"""By how much the clocks of two API processes may differ."""


class NotAuthenticated(Rejection):
    """Nobody knows who asks; every message says what to send."""

    code = "not_authenticated"


class Tokens:
    def __init__(self, secret: str, lifetime_seconds: int, clock: Clock) -> None:
        self._secret = secret
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._clock = clock

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
        try:
            return UUID(self._claims(token)["sub"])
        except jwt.ExpiredSignatureError:
            raise NotAuthenticated("The token has expired: log in again") from None
        except (jwt.InvalidTokenError, ValueError):
            raise NotAuthenticated("Invalid or expired token: log in again") from None

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


async def require_token(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: it runs before anything of the body is read. Leaves the user's id in `request.user`.

    What a route allows is no secret: browsers ask for it without a token.
    """
    if connection.scope.get("method") == "OPTIONS":
        return
    header = connection.headers.get("Authorization")
    if not header:
        raise NotAuthenticated("Authorization header missing: send `Authorization: Bearer <token>`")
    scheme, token = header.split(" ", 1) if " " in header else (header, "")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("Authorization header must be Bearer: send `Authorization: Bearer <token>`")
    parts = connection.app.state.parts
    user_id = parts.tokens.verify(token.strip())
    if not await parts.known_users.knows(user_id):
        raise NotAuthenticated("The token's user does not exist: register, or log in as somebody else")
    connection.scope["user"] = user_id
