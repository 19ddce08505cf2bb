"""What a route asks of who shows an API key. It is declared in one place, where the routes are listed (`api/app.py`)."""

from typing import Any, Final, Literal, TypeAlias

from litestar import Router
from litestar.types import ControllerRouterHandler

from api.openapi import BEARER
from domain.api_keys import ApiKey, KeyScope
from domain.errors import Rejection

Needed: TypeAlias = KeyScope | Literal["account"]
"""No key has `account`: that is for who has logged in."""

NEEDED: Final = "needed_scope"


class InsufficientScope(Rejection):
    """RFC 6750, 3.1."""

    code = "insufficient_scope"

    def __init__(self, needed: str) -> None:
        super().__init__(
            "No API key may do this: log in, and send the token"
            if needed == "account"
            else f"The API key may not {needed}: use one with the scope {needed}"
        )
        self.needed = needed


def asking(needed: Needed, *route_handlers: ControllerRouterHandler) -> Router:
    """Routes that are open to keys with this scope."""
    return Router("/", route_handlers=route_handlers, opt={NEEDED: needed}, security=[{BEARER: [needed]}])


def require_scope(scope: Any, key: ApiKey) -> None:
    """Closed where nothing is declared. Raises InsufficientScope."""
    needed = scope["route_handler"].opt.get(NEEDED, "account")
    if needed not in key.scopes:
        raise InsufficientScope(needed)
