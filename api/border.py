"""What lies around every route: HEAD wherever GET is, a whole Allow, and the last border for errors."""

from collections.abc import MutableMapping
from typing import Any, Final

from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope, Send

from api.cross_origin import permissions
from api.errors import report_unexpected
from api.requests import added_headers, request_id_of


class Api(Litestar):
    """An application whose routes need not know of HEAD: to them it is a GET (RFC 9110, 9.3.2)."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        try:
            await super().__call__(scope, receive, send)
        except Exception as problem:  # noqa: BLE001  # an answer that breaks off; the server would log its message
            report_unexpected(problem, request_id_of(scope))


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def complete_allow(headers: MutableMapping[str, str], scope: Scope) -> None:
    """Before an answer is sent. The framework names the methods of the first handler of a path to OPTIONS, and HEAD never."""
    named = headers.get("Allow")
    if named is None:
        return
    template = scope.get("path_template")
    routes = (route for route in scope["litestar_app"].routes if route.path_format == template)
    methods = set(named.split(", ")).union(*(route.methods for route in routes))
    headers["Allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


async def add_headers(message: Message, scope: Scope) -> None:
    """Goes through every response, also those to requests that no route took."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    complete_allow(headers, scope)
    headers["X-Request-Id"] = str(request_id_of(scope))
    allowed = permissions(scope, scope["litestar_app"].state.origins)
    for name, value in {**_HEADERS, **added_headers(scope), **allowed}.items():
        headers.setdefault(name, value)
