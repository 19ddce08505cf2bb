"""A client of the public HTTP API: what `stenolog` uses as one, and what a program may (docs/client.md)."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeVar, cast
from uuid import UUID

import httpx
import msgspec

from cli.api_urls import api_root
from cli.sending import OnBytes, opened_recording, text_of
from infrastructure.mendable import Mendable
from schemas.bodies import (
    ApiKeyBody,
    ApiKeyRequest,
    FileBody,
    FoundBody,
    LoggedIn,
    NewApiKey,
    QuotaBody,
    TranscriptionBody,
    TranscriptionChange,
    TranscriptionRequest,
    Uploaded,
)

Body = TypeVar("Body")
Format = Literal["txt", "srt", "vtt", "json", "ttml", "lrc", "csv", "html"]
_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
BUSY: Final = frozenset({429, 503})
"""Said before anything was done, so that whatever was asked for may be asked for again."""
_SILENCES_MAX: Final = 4
"""Comments in a row, which come every 15 s while there is nothing to tell."""
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
LOG_IN_AGAIN: Final = "`stenolog login`"
_IN_FLIGHT: Final = "idempotency_key_in_flight"
"""Said while the same request is still being carried out, or was by a process that died a moment ago."""
_PAUSE_SECONDS: Final = 1.0
_PAUSE_SECONDS_MAX: Final = 30.0


class Refused(Mendable):
    """The API said no: `status` is HTTP's, `code` that of the problem document, or empty."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(_reason(response))
        problem = _problem(response)
        self.status = response.status_code
        self.code = str(problem.get("code", ""))
        self.transcription_id = str(problem.get("transcription_id", ""))
        self.retry_after_seconds = _seconds(response.headers.get("Retry-After"))


class LoginOver(Refused):
    """The token is not accepted any more; `renewal` is how to come by another."""

    def __init__(self, response: httpx.Response, renewal: str) -> None:
        super().__init__(response)
        self._renewal = renewal

    def __str__(self) -> str:
        return f"{super().__str__()} ({self._renewal})"


class ApiUnreachable(Mendable):
    """Nothing that answers like the API."""


class NotStenolog(ApiUnreachable):
    """Something answers, and will not answer otherwise in a moment."""


class NotText(Mendable):
    def __init__(self) -> None:
        super().__init__("what was given is no text in UTF-8: type it once more, or change the encoding")


class Client:
    """Logged in after `log_in` or `use_token`. Every method raises Refused or ApiUnreachable."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._root = str(http.base_url).removesuffix("/v1/")
        self._renewal = LOG_IN_AGAIN

    async def register(self, email: str, password: str) -> None:
        await self._send("POST", "auth/register", json={"email": email, "password": password})

    async def log_in(self, email: str, password: str) -> str:
        """The token, which is used from now on."""
        response = await self._send("POST", "auth/login", json={"email": email, "password": password})
        token = _decode(response, LoggedIn).token
        self.use_token(token)
        return token

    def use_token(self, token: str, renewal: str = LOG_IN_AGAIN) -> None:
        """Of a login, or an API key; `renewal` is what to do when it is not accepted any more."""
        self._renewal = renewal
        self._http.headers["Authorization"] = f"Bearer {token}"

    async def create_api_key(self, asked: ApiKeyRequest) -> NewApiKey:
        response = await self._send("POST", "api-keys", json=msgspec.to_builtins(asked))
        return _decode(response, NewApiKey)

    async def api_keys(self) -> list[ApiKeyBody]:
        return _decode(await self._send("GET", "api-keys"), list[ApiKeyBody])

    async def revoke_api_key(self, key_id: UUID) -> None:
        await self._send("DELETE", f"api-keys/{key_id}")

    async def quota(self) -> QuotaBody:
        return _decode(await self._send("GET", "user/quota"), QuotaBody)

    async def upload(self, path: Path, on_bytes: OnBytes, key: str = "") -> Uploaded:
        """Streams the file; `on_bytes` hears of each piece. With a `key` of its own it may be sent again, and is stored once.

        Raises NotSent, too: for what cannot be read, or is changed meanwhile.
        """
        headers = {IDEMPOTENCY_KEY: key} if key else {}
        with opened_recording(path, on_bytes) as recording:
            files = {"file": (text_of(Path(path.name)), cast("IO[bytes]", recording))}
            answer = await self._send("POST", "files/upload", files=files, headers=headers)
        return _decode(answer, Uploaded)

    async def files(self) -> AsyncIterator[FileBody]:
        """All recordings, newest first, a page at a time as they are asked for."""
        path = "files"
        while path:
            response = await self._send("GET", path)
            for each in _decode(response, list[FileBody]):
                yield each
            path = response.links.get("next", {}).get("url", "").removeprefix("/v1/")

    async def search(self, text: str) -> AsyncIterator[FoundBody]:
        """Transcripts in which it is said, the best answer first, a page at a time as they are asked for."""
        path, query = "search", {"q": text}
        while path:
            response = await self._send("GET", path, params=query or None)
            for each in _decode(response, list[FoundBody]):
                yield each
            path, query = response.links.get("next", {}).get("url", "").removeprefix("/v1/"), {}

    async def request_transcription(self, asked: TranscriptionRequest) -> UUID:
        """The one there is already, when it was requested before."""
        try:
            response = await self._send("POST", "transcriptions", json=msgspec.to_builtins(asked))
        except Refused as refusal:
            if refusal.code != "transcription_exists":
                raise
            return UUID(refusal.transcription_id)
        return _decode(response, TranscriptionChange).transcription_id

    async def cancel(self, transcription_id: UUID) -> TranscriptionChange:
        response = await self._send("POST", f"transcriptions/{transcription_id}/cancel")
        return _decode(response, TranscriptionChange)

    async def transcription(self, transcription_id: UUID) -> TranscriptionBody:
        return _decode(await self._send("GET", f"transcriptions/{transcription_id}"), TranscriptionBody)

    async def states(self, transcription_id: UUID) -> AsyncIterator[TranscriptionBody]:
        """As they come, up to the last. Ends before it when nothing was new for a minute, or the API ends the stream: ask, and listen again."""
        path = f"transcriptions/{transcription_id}/events"
        name, silences = "", 0
        async for line in self._lines(path):
            field, _, value = line.partition(": ")
            if field == "event":
                name, silences = value, 0
            elif field == "data" and name == "transcription":
                yield _decoded(value, TranscriptionBody, path)
            elif line.startswith(":"):
                silences += 1
                if silences == _SILENCES_MAX:
                    return

    async def export(self, transcription_id: UUID, format_: Format) -> bytes:
        path = f"transcriptions/{transcription_id}/export"
        return (await self._send("GET", path, params={"format": format_})).content

    async def _lines(self, path: str) -> AsyncIterator[str]:
        try:
            async with self._http.stream("GET", path) as response:
                await self._require_success(response)
                async for line in response.aiter_lines():
                    yield line
        except httpx.HTTPError as problem:
            raise self._unreachable(problem) from problem

    async def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **content)
        except httpx.HTTPError as problem:
            raise self._unreachable(problem) from problem
        except UnicodeEncodeError:
            raise NotText from None
        await self._require_success(response)
        return response

    async def _require_success(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        await response.aread()
        if response.status_code == 401 and "Authorization" in self._http.headers:
            raise LoginOver(response, self._renewal)
        raise Refused(response)

    def _unreachable(self, problem: httpx.HTTPError) -> ApiUnreachable:
        why = type(problem).__name__
        if isinstance(problem, httpx.ConnectError):  # Others may repeat what was sent.
            why += f" ({problem})"
        return ApiUnreachable(f"no answer from {self._root}: {why}")


@asynccontextmanager
async def opened_client(url: str) -> AsyncIterator[Client]:
    """`url` is where the API is. Raises NoUrl."""
    root = api_root(url)
    local = httpx.URL(root).host in {"127.0.0.1", "localhost", "::1"}
    async with httpx.AsyncClient(
        base_url=f"{root}/v1/",
        timeout=_TIMEOUT,
        trust_env=not local,  # a proxy of the environment cannot reach this machine's own address
    ) as http:
        yield Client(http)


async def register_unless_known(client: Client, email: str, password: str) -> None:
    try:
        await client.register(email, password)
    except Refused as refusal:
        if refusal.status != 409:
            raise


async def waited_out(
    ask: Callable[[], Awaitable[Body]],
    patience_seconds: float,
    *,
    repeatable: bool = True,
    tell: Callable[[str], None] | None = None,
    tell_after_seconds: float = 2.0,
) -> Body:
    """Asks again while the API is busy, and, what is `repeatable`, also while nothing answers. Then raises as `ask`.

    Once that has lasted for `tell_after_seconds`, `tell` hears why, once.
    """
    began_at = time.monotonic()
    while True:
        try:
            return await ask()
        except (Refused, ApiUnreachable) as problem:
            waited_seconds = time.monotonic() - began_at
            if not _passes(problem, repeatable=repeatable) or waited_seconds >= patience_seconds:
                raise
            if tell is not None and waited_seconds >= tell_after_seconds:
                tell(f"{problem}; asking again for up to {patience_seconds / 60:.0f} minutes")
                tell = None
            pause_seconds = problem.retry_after_seconds if isinstance(problem, Refused) else _PAUSE_SECONDS
        await asyncio.sleep(min(pause_seconds, _PAUSE_SECONDS_MAX))


def _passes(problem: Refused | ApiUnreachable, *, repeatable: bool) -> bool:
    """Whether it may be another answer in a moment."""
    if isinstance(problem, Refused):
        return problem.status in BUSY or problem.code == _IN_FLIGHT
    return repeatable and not isinstance(problem, NotStenolog)


def _decode(response: httpx.Response, body: type[Body]) -> Body:
    return _decoded(response.content, body, response.url)


def _decoded(content: bytes | str, body: type[Body], url: object) -> Body:
    try:
        return msgspec.json.decode(content, type=body)
    except msgspec.DecodeError as problem:
        raise NotStenolog(f"{url} does not answer like Stenolog: {problem}") from problem


def _reason(response: httpx.Response) -> str:
    """What the problem document says, or else the beginning of whatever came."""
    if detail := _problem(response).get("detail"):
        return str(detail)
    return f"{response.request.method} {response.url} was answered {response.status_code} {response.text[:200]}"


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _seconds(retry_after: str | None) -> float:
    """The other form of the header, a date, is none that the API sends."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else _PAUSE_SECONDS
