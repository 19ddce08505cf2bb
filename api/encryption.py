"""HTTPS: the certificate that we show, read anew when it changes, and what becomes of requests that came in the clear."""

import asyncio
import logging
import ssl
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Never, TypeAlias

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import MEDIA_TYPE, problem_of
from api.openai_audio import refusals
from api.requests import request_id_of
from api.source import TrustedProxies
from infrastructure.encryption import Pair, show
from infrastructure.settings import InvalidSetting, Settings

POLL_SECONDS: Final = 5.0
HSTS: Final = b"max-age=31536000"
"""A year, for this host alone (RFC 6797): of others under the same name we know nothing."""
PROBES: Final = ("/health/", "/v1/health/")
"""Container platforms ask without TLS, from inside, and nothing there is a secret."""
VARIABLES: Final = "STENOLOG_TLS_CERT and STENOLOG_TLS_KEY"

Stamp: TypeAlias = tuple[tuple[int, int, int], ...]
Header: TypeAlias = tuple[bytes, bytes]

logger = logging.getLogger(__name__)


class ServedCertificate:
    """`context` always shows the last pair that could be read; connections that are open keep what they have."""

    def __init__(self, pair: Pair, poll_seconds: float = POLL_SECONDS) -> None:
        """Raises InvalidSetting."""
        self._pair = pair
        self._poll_seconds = poll_seconds
        self._stamp = _stamp_of(pair)
        self._current = self.context = _serving(pair)
        # Called for each handshake, also of clients that name no host. So a pair takes effect as a whole or not at all,
        # while `load_cert_chain` on a context in use could leave it with a new certificate and no key.
        self.context.sni_callback = self._choose

    async def keep_fresh(self) -> Never:
        """Looks again and again; a pair that cannot be used is said once, and the old one stays."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        stamp = _stamp_of(self._pair)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._current = _serving(self._pair)
        except InvalidSetting as problem:
            logger.error("the certificate of before stays: %s", problem)  # noqa: TRY400  # one line is all there is
        else:
            logger.info("serving the new certificate of %s", self._pair.certificate)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current


async def served_certificate(settings: Settings) -> ServedCertificate | None:
    """None where TLS is somebody else's. Raises InvalidSetting."""
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise InvalidSetting(f"{VARIABLES} go together: one is missing")
    if not settings.tls_cert:
        return None
    pair = Pair(certificate=settings.tls_cert, key=settings.tls_key, variables=VARIABLES)
    return await asyncio.to_thread(ServedCertificate, pair)


def _serving(pair: Pair) -> ssl.SSLContext:
    """TLS 1.2 or newer (RFC 9325)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    show(context, pair)
    return context


def _stamp_of(pair: Pair) -> Stamp:
    """What changes when a file is written or another takes its place."""
    return tuple(_file_stamp(Path(path)) for path in (pair.certificate, pair.key))


def _file_stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_ino, found.st_size)


class OnlyEncrypted:
    """Requests that came in the clear are sent to https, or refused, before anything else looks at them."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(PROBES):
            await self._app(scope, receive, send)
        elif self._came_encrypted(scope):
            await self._app(scope, receive, _with_hsts(send))
        elif scope["method"] in ("GET", "HEAD"):
            await _answer(send, HTTPStatus.TEMPORARY_REDIRECT, [(b"location", _as_https(scope))])
        else:
            await _refuse(scope, send)

    def _came_encrypted(self, scope: Scope) -> bool:
        """On every part of its way that we know of: what a trusted proxy says counts, and else the connection itself."""
        said = self._proxies.protocols(scope)
        return all(each == "https" for each in said) if said else scope["scheme"] == "https"


def only_encrypted(app: Any, settings: Settings) -> Any:
    """The application as it is served where encryption is required. Raises InvalidSetting."""
    if not settings.require_encryption:
        return app
    return OnlyEncrypted(app, TrustedProxies(settings.trusted_proxies))


def _with_hsts(send: Send) -> Send:
    async def send_with_hsts(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"strict-transport-security", HSTS)]
        await send(message)

    return send_with_hsts


def _as_https(scope: Scope) -> bytes:
    """On the port where https is everywhere: which port the proxy has for it nobody tells us."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    name, bracket, rest = host.rpartition(b"]")
    bare = name + bracket + rest.partition(b":")[0]
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    return b"https://" + bare + (scope.get("raw_path") or scope["path"].encode()) + query


async def _refuse(scope: Scope, send: Send) -> None:
    text = (
        "This came in the clear, where others can read it: use https, and take a password or token that was in it "
        "for known"
    )
    problem = problem_of(HTTPStatus.BAD_REQUEST, "not_encrypted", text, request_id_of(scope))
    is_openai = refusals.are_expected_at(scope["path"])
    headers = [(b"content-type", (refusals.MEDIA_TYPE if is_openai else MEDIA_TYPE).encode())]
    body = msgspec.json.encode(refusals.refusal_of(problem) if is_openai else problem)
    await _answer(send, HTTPStatus.BAD_REQUEST, headers, body)


async def _answer(send: Send, status: HTTPStatus, headers: Iterable[Header], body: bytes = b"") -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
