"""Idempotency-Key: a request that is sent again is carried out once and answered as before (draft-ietf-httpapi-idempotency-key-header-07).

What succeeded is kept for a day. A refusal changed nothing, so that its key is free again; where nobody knows, the next one takes
over and the command itself, which may be repeated, decides. A route whose answer holds a secret must not have this around it.
"""

import asyncio
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Never, TypeAlias
from uuid import UUID, uuid4

from litestar.openapi.spec import Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.types import ASGIApp, Message, Receive, Send
from multipart import parse_options_header

from api.admission import admit
from api.openapi import UploadOperation
from api.parts import Parts
from api.rejections import KeyInFlight, KeyOfAnother
from api.requests import added_headers, encoded, sent, sent_together
from api.uploads import LENGTH_DIGITS_MAX
from domain.errors import InvalidField
from infrastructure.postgres import idempotency
from infrastructure.postgres.errors import TRANSIENT, DatabaseUnavailable
from infrastructure.postgres.idempotency import Claim, IdempotencyKeys, KeptAnswer, Key

_LOGGER: Final = logging.getLogger(__name__)

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
KEY_CHARACTERS_MAX: Final = 255
BODY_BYTES_MAX: Final = 64 << 10
"""Of a request, as every route without a limit of its own has it; and of an answer that is kept: a longer one is made anew."""
BOUNDARIES: Final = 2
"""Of a form with nothing but a recording: one before it, and one after."""
RENEWALS: Final = 3
"""Within the time after which a request is taken over."""
NOBODY: Final = UUID(int=0)
"""Whose keys are of those who have not logged in."""

_NAME: Final = HEADER.lower().encode()
_QUOTED: Final = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]+)"')
"""RFC 8941, 3.3.3, without what has to be escaped."""
_BARE: Final = re.compile(r"[\x21\x23-\x7e]+")
_CLAIM: Final = "stenolog_idempotency"

Middleware: TypeAlias = Callable[[ASGIApp], ASGIApp]


class Ids:
    """What a request may name by itself, and what those who died with it in hand may have named."""

    def __init__(self, claim: Claim | None) -> None:
        self.current = uuid4() if claim is None else claim.id
        self.earlier = [] if claim is None else claim.earlier_ids


def ids_of(scope: Any) -> Ids:
    return Ids(scope["state"].get(_CLAIM))


def idempotent(
    *, is_open: bool = False, is_streamed: bool = False, body_bytes_max: int = BODY_BYTES_MAX
) -> Middleware:
    """A middleware of one route, whose limit for bodies is its own, too.

    Of a body that is streamed nothing but its length is compared; an open route has no caller.
    """

    def around(app: ASGIApp) -> ASGIApp:
        async def answer(scope: Any, receive: Receive, send: Send) -> None:
            key = sent_together(scope, _NAME)
            if key is None or scope["method"] != "POST":
                await app(scope, receive, send)
                return
            key, parts = _key_of(key), scope["litestar_app"].state.parts
            owner_id = NOBODY if is_open else await admit(scope, parts)
            body = None if is_streamed else await _Body.read(receive, body_bytes_max)
            if body is not None and not body.is_whole:  # The route refuses it in its own words.
                await app(scope, body.receive, send)
                return
            digest = _request_digest(scope, body.content if body else b"", parts)
            claimed = Key(owner_id, sha256(key.encode()).digest(), digest)
            once = Once(IdempotencyKeys(parts.read_models), claimed)
            await once.answer(app, scope, body.receive if body else receive, send)

        return answer

    return around


def _key_of(text: str) -> str:
    """Raises InvalidField."""
    quoted = _QUOTED.fullmatch(text.strip())
    key = quoted[1] if quoted else text.strip()
    if not (quoted or _BARE.fullmatch(key)) or len(key) > KEY_CHARACTERS_MAX:
        raise InvalidField(
            HEADER, f"has to be 1 to {KEY_CHARACTERS_MAX} printable characters of ASCII, such as a UUID"
        )
    return key


def _request_digest(scope: Any, body: bytes, parts: Parts) -> bytes:
    """Keyed, since what is in a body could be guessed."""
    length = "" if body else _length_of(scope)
    lines = [scope["method"], scope["path"], scope["query_string"].decode("latin-1"), length]
    content = "\n".join(lines).encode() + b"\n" + body
    return hmac.digest(parts.settings.jwt_secret.encode(), content, sha256)


def _length_of(scope: Any) -> str:
    """Without the boundaries of a form: clients make those anew each time they send it, and some not always as long."""
    length = sent(scope, b"content-length") or ""
    if not (length.isascii() and length.isdecimal() and len(length) <= LENGTH_DIGITS_MAX):
        return length
    _, options = parse_options_header(sent(scope, b"content-type") or "")
    return str(int(length) - BOUNDARIES * len(options.get("boundary", "")))


class _Body:
    """What was read of a body, to be read again."""

    def __init__(self, messages: list[Any], receive: Receive, bytes_max: int) -> None:
        self._messages = messages
        self._receive = receive
        self.content = b"".join(each.get("body", b"") for each in messages)
        ends = not messages or (
            messages[-1]["type"] == "http.request" and not messages[-1].get("more_body")
        )
        self.is_whole = ends and len(self.content) <= bytes_max

    @classmethod
    async def read(cls, receive: Receive, bytes_max: int) -> "_Body":
        """Until it ends, or is longer than any may be."""
        messages: list[Any] = []
        size = 0
        while size <= bytes_max:
            message: Any = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body"):
                break
        return cls(messages, receive, bytes_max)

    async def receive(self) -> Any:
        return self._messages.pop(0) if self._messages else await self._receive()


class Once:
    """One request that carries a key."""

    def __init__(self, keys: IdempotencyKeys, key: Key) -> None:
        self._keys = keys
        self._key = key
        self._held: list[Any] = []

    async def answer(self, app: ASGIApp, scope: Any, receive: Receive, send: Send) -> None:
        """Raises KeyInFlight, KeyOfAnother, PersonErased or DatabaseUnavailable."""
        try:
            claim = await self._keys.claim(self._key)
        except idempotency.KeyInFlight as problem:
            raise KeyInFlight from problem
        except idempotency.KeyOfAnother as problem:
            raise KeyOfAnother from problem
        if isinstance(claim, KeptAnswer):
            await _replay(claim, send)
            return
        scope["state"][_CLAIM] = claim
        await self._carry_out(claim, app, scope, receive, send)

    async def _carry_out(
        self, claim: Claim, app: ASGIApp, scope: Any, receive: Receive, send: Send
    ) -> None:
        """The answer is kept before it is sent: a client that has it is answered the same again."""
        renewing = asyncio.create_task(self._keep_renewing(claim), name="renewing an idempotency key")
        try:
            await app(scope, receive, self._hold)
        except Exception:
            await self._end(self._keys.abandon(claim))
            raise
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
        await self._end(self._settled(claim, scope))
        for message in self._held:
            await send(message)

    async def _hold(self, message: Message) -> None:
        self._held.append(message)

    def _settled(self, claim: Claim, scope: Any) -> Awaitable[None]:
        status = self._held[0]["status"] if self._held else 500
        body = b"".join(each.get("body", b"") for each in self._held[1:])
        if status >= 500 or len(body) > BODY_BYTES_MAX:
            return self._keys.abandon(claim)
        if status >= 400:
            return self._keys.free(claim)
        headers = [*self._held[0]["headers"], *encoded(added_headers(scope))]
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        return self._keys.keep(claim, KeptAnswer(status, lines, body))

    async def _end(self, ending: Awaitable[None]) -> None:
        """The answer goes out whatever becomes of the key, which is taken over when nobody renews it."""
        try:
            await ending
        except DatabaseUnavailable as problem:
            _LOGGER.warning("an idempotency key stays in flight until it runs out: %s", problem)

    async def _keep_renewing(self, claim: Claim) -> Never:
        while True:
            await asyncio.sleep(self._keys.alive_seconds / RENEWALS)
            with suppress(*TRANSIENT, DatabaseUnavailable):
                await self._keys.renew(claim)


async def _replay(answer: KeptAnswer, send: Send) -> None:
    headers = _encoded(answer.headers) + encoded({REPLAYED: "true"})
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _encoded(lines: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines]


_PARAMETER: Final = Parameter(
    name=HEADER,
    param_in="header",
    schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=KEY_CHARACTERS_MAX),
    description="Yours for this request, such as a UUID: sent again with it within a day, the request is carried out once and answered as before",
)


@dataclass
class IdempotentOperation(Operation):
    """A route that takes the header, which the framework cannot know."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), _PARAMETER]


@dataclass
class IdempotentUpload(UploadOperation):
    """An upload that takes it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [*(self.parameters or []), _PARAMETER]
