"""Which web pages may use the API from a browser: those of the origins that a setting lists.

Written out as the framework's own answers 400 in its own words to an origin it does not know, and names its permissions to everybody.
"""

from collections.abc import Mapping
from typing import Final

from litestar.datastructures import Headers
from litestar.types import Scope

METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
SENT_HEADERS: Final = ("Authorization, Content-Type, Consistency-Token, Prefer, X-Request-Id, traceparent, "
    "Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Range, "
    "OpenAI-Organization, OpenAI-Project, X-Stainless-Arch, X-Stainless-Helper-Method, X-Stainless-Lang, X-Stainless-OS, "
    "X-Stainless-Package-Version, X-Stainless-Retry-Count, X-Stainless-Runtime, X-Stainless-Runtime-Version, "
    "X-Stainless-Timeout")  # fmt: skip
"""The last ones are what the `openai` package for JavaScript sends from a page."""
EXPOSED_HEADERS: Final = (
    "Consistency-Token, Consistency-Status, Content-Disposition, ETag, Idempotency-Replayed, Link, Location, Retry-After, "
    "X-Request-Id, X-Should-Retry, X-Stenolog-Model, X-Stenolog-Transcription"
)
PREFLIGHT_SECONDS: Final = 600


def origins_of(setting: str) -> frozenset[str]:
    return frozenset(setting.replace(",", " ").split())


def permissions(scope: Scope, origins: frozenset[str]) -> Mapping[str, str]:
    """The headers of https://fetch.spec.whatwg.org/#http-responses for the answer to a request."""
    if not origins:
        return {}
    headers = Headers.from_scope(scope)
    origin = headers.get("Origin")
    # A shared cache must not hand one origin's answer to another, nor to one that asked without.
    if origin is None or origin not in origins:
        return {"Vary": "Origin"}
    allowed = {"Vary": "Origin", "Access-Control-Allow-Origin": origin}
    if scope.get("method") != "OPTIONS" or "Access-Control-Request-Method" not in headers:
        return allowed | {"Access-Control-Expose-Headers": EXPOSED_HEADERS}
    return allowed | {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": SENT_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
