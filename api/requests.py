"""What every request carries: an id, a trace and, once authenticated, a caller."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import ClientException
from litestar.types import Scope

from domain.log import Provenance
from schemas.random_bits import RandomBits

AnonymousRequest: TypeAlias = Request[None, None, State]
AuthenticatedRequest: TypeAlias = Request[UUID, None, State]

Header: TypeAlias = tuple[bytes, bytes]
"""The framework writes names in lower case, and so do we."""

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""https://www.w3.org/TR/trace-context/#traceparent-header"""
_RANDOM: Final = RandomBits(16)
_RANDOM_BITS: Final = ~(0xF << 76 | 0b11 << 62)
_VERSION_4: Final = 4 << 76 | 0b10 << 62
HEAD_ONLY: Final = "stenolog_head_only"
"""In the state of a request whose answer goes without its body; to routes it is a GET."""
_ID: Final = "stenolog_request_id"
_ADDED: Final = "stenolog_headers"
_KEY: Final = "stenolog_api_key"


class Caller:
    """Who asks, and once a command wants to know how."""

    __slots__ = ("_request", "user_id")

    def __init__(self, request: AuthenticatedRequest) -> None:
        self._request = request
        self.user_id = request.user

    @property
    def provenance(self) -> Provenance:
        return provenance_of(self._request, self.user_id)


def sent(scope: Any, name: bytes) -> str | None:
    """The first header of that name, which servers give in lower case. The framework would parse all of them."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def sent_together(scope: Any, name: bytes) -> str | None:
    """All headers of that name as one list (RFC 9110, 5.3)."""
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return ", ".join(values) if values else None


def wants_body(scope: Any) -> bool:
    """Whether it is worth reading what an answer would have in it."""
    return HEAD_ONLY not in scope["state"]


def request_id_of(scope: Scope) -> UUID:
    """The client's X-Request-Id if it is a UUID, or else a new one; the same for the whole request."""
    return UUID(request_id_text(scope))


def request_id_text(scope: Any) -> str:
    """As it is sent: most requests need it in no other form."""
    state = scope.setdefault("state", {})
    if _ID not in state:
        state[_ID] = _sent_id(sent(scope, b"x-request-id")) or _new_id()
    text: str = state[_ID]
    return text


def _sent_id(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None


def _new_id() -> str:
    """A UUID of version 4 (RFC 9562)."""
    digits = f"{_RANDOM.next() & _RANDOM_BITS | _VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def remember_key(scope: Any, key_id: UUID) -> None:
    """That an API key asks, so that what it does is told of it and not of its user."""
    scope["state"][_KEY] = key_id


def provenance_of(request: Request[Any, Any, State], user_id: UUID) -> Provenance:
    request_id = request_id_of(request.scope)
    traceparent = sent(request.scope, b"traceparent") or ""
    key_id = request.scope["state"].get(_KEY)
    return Provenance(
        actor=f"user:{user_id}" if key_id is None else f"api_key:{key_id}",
        correlation_id=request_id,
        request_id=str(request_id),
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
    )


def provide_caller(request: AuthenticatedRequest, parts: NamedDependency[Any]) -> Caller:  # noqa: ARG001
    """Asks for `parts` without a use for them: what needs nothing of one another is resolved in a group of tasks."""
    return Caller(request)


def added_headers(scope: Scope) -> Mapping[str, str]:
    added: Mapping[str, str] = scope["state"].get(_ADDED, {})
    return added


def encoded(headers: Mapping[str, str]) -> list[Header]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def add_header(scope: Scope, name: str, value: str) -> None:
    """A header for the response, whether it turns out an answer or a problem."""
    scope["state"].setdefault(_ADDED, {})[name] = value


class OwnWords(Request[Any, Any, Any]):
    """A request whose body is JSON or a refusal, whatever the decoder stumbles over."""

    async def json(self) -> Any:
        """Raises ClientException."""
        try:
            return await super().json()
        except (RecursionError, UnicodeDecodeError) as problem:
            raise ClientException("no JSON that can be read") from problem
