"""Who may come in: nothing of a request's body is read before its token has been found good."""

from typing import Any
from uuid import UUID

from litestar import Request

from api.consistency import wait_for_token
from api.parts import Parts
from api.requests import remember_key, sent
from api.scopes import require_scope
from api.tokens import NotAuthenticated, TokenMissing
from domain.key_texts import is_key


async def admit(scope: Any, parts: Parts) -> UUID:
    """The caller, once a query with a consistency token may be answered. Raises NotAuthenticated or InvalidField.

    Leaves the caller's id in `request.user`. Raises InsufficientScope for an API key that may do other things than this.
    """
    user_id = await _authenticated(scope, parts)
    if not await parts.known_users.knows(user_id):
        raise NotAuthenticated("The token's user does not exist: register, or log in as somebody else")
    scope["user"] = user_id
    await wait_for_token(scope, parts.progress, parts.settings)
    return user_id


async def _authenticated(scope: Any, parts: Parts) -> UUID:
    token = _token_of(scope)
    if not is_key(token):
        return parts.tokens.verify(token)
    known = await parts.known_keys.verify(token, lambda: parts.proxies.source_of(scope))
    require_scope(scope, known.key)
    remember_key(scope, known.key.key_id)
    return known.user_id


async def admit_request(request: Request[Any, Any, Any]) -> None:
    """No guard, for which the framework would copy the route each time. A route with a `before_request` of its own has to call this.

    What a route allows is no secret: browsers ask for it without a token.
    """
    if request.scope["method"] != "OPTIONS":
        await admit(request.scope, request.app.state.parts)


def _token_of(scope: Any) -> str:
    header = sent(scope, b"authorization")
    if not header:
        raise TokenMissing("Authorization header missing: send `Authorization: Bearer <token>`")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenMissing("Authorization header must be Bearer: send `Authorization: Bearer <token>`")
    return token.strip()
