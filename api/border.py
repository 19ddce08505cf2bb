"""What lies around every route: HEAD wherever GET is, a whole Allow, and the last border for errors."""

import logging
import time
from collections.abc import Awaitable, Iterable, MutableMapping, Sequence
from typing import Any, Final
from uuid import UUID

from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope, Send

from api.cross_origin import permissions
from api.errors import report_unexpected
from api.metrics import count
from api.patience import impatient
from api.requests import HEAD_ONLY, Header, added_headers, encoded, request_id_of, request_id_text
from domain.errors import Rejection

_REQUEST_ID: Final = b"x-request-id"
_LOGGER: Final = logging.getLogger(__name__)


class Api(Litestar):
    """An application whose routes need not know of HEAD: to them it is a GET (RFC 9110, 9.3.2).

    `origins` are those whose web pages may use it.
    """

    def __init__(self, route_handlers: Sequence[Any], *, origins: frozenset[str], **config: Any) -> None:
        super().__init__(route_handlers, **config)
        self._origins = origins

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            state = {**scope.get("state", {}), HEAD_ONLY: True}
            scope, send = {**scope, "method": "GET", "state": state}, _without_body(send)
        scope.setdefault("state", {})
        try:
            await super().__call__(scope, impatient(receive), _completed(send, scope, self._origins))
        except Exception as problem:  # noqa: BLE001  # an answer that breaks off; the server would log its message
            _report_broken_off(problem, request_id_of(scope))


def _report_broken_off(problem: Exception, request_id: UUID) -> None:
    """That a person leaves while they are answered, say, is no error of ours."""
    rejection = _rejection_behind(problem)
    if rejection is None:
        report_unexpected(problem, request_id)
    else:
        _LOGGER.info("request %s breaks off: %s", request_id, rejection.code)


def _rejection_behind(problem: BaseException | None) -> Rejection | None:
    """The framework wraps what is raised, perhaps more than once."""
    match problem:
        case None | Rejection():
            return problem
        case BaseExceptionGroup():
            found = [_rejection_behind(each) for each in problem.exceptions]
            return found[0] if all(found) else None
        case _:
            return _rejection_behind(problem.__cause__)


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def _completed(send: Send, scope: Any, origins: frozenset[str]) -> Send:
    """Counts every answer and completes its headers, also where no route took the request.

    In one place around everything: each middleware and each hook of the framework's would cost some calls more.
    """
    began = time.perf_counter()

    def send_completed(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message["headers"] = _complete(message["headers"], scope, origins)
            count(scope, message["status"], time.perf_counter() - began)
        return send(message)

    return send_completed


def complete_allow(headers: MutableMapping[str, str], scope: Scope) -> None:
    """Before an answer is sent. The framework names the methods of the first handler of a path to OPTIONS, and HEAD never."""
    named = headers.get("Allow")
    if named is None:
        return
    template = scope.get("path_template")
    routes = (route for route in scope["litestar_app"].routes if route.path_format == template)
    methods = set(named.split(", ")).union(*(route.methods for route in routes))
    headers["Allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


def _complete(given: Iterable[Header], scope: Any, origins: frozenset[str]) -> list[Header]:
    """What the answer says itself stays as it is."""
    headers = [header for header in given if header[0] != _REQUEST_ID]
    headers.append((_REQUEST_ID, request_id_text(scope).encode()))
    if any(header[0] == b"allow" for header in headers):
        complete_allow(MutableScopeHeaders({"headers": headers}), scope)
    if origins:
        _add(headers, encoded(permissions(scope, origins)))
    if added := added_headers(scope):
        _add(headers, encoded(added))
    _add(headers, _HEADERS)
    return headers


def _add(headers: list[Header], more: list[Header]) -> None:
    names = {header[0] for header in headers}
    headers += (
        more
        if names.isdisjoint(name for name, _ in more)
        else [header for header in more if header[0] not in names]
    )
