"""A client of the public HTTP API."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeVar, cast
from uuid import UUID

import httpx
import msgspec
from msgspec import Struct

from infrastructure.mendable import Mendable
from schemas.bodies import LoggedIn, QuotaBody, TranscriptionBody, TranscriptionChange, Uploaded

Body = TypeVar("Body", bound=Struct)
Format = Literal["txt", "srt", "vtt", "json", "ttml", "lrc", "csv", "html"]
OnBytes = Callable[[int], None]
"""Told how many more bytes have been sent."""

_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)


class Refused(Mendable):
    """The API said no; `status` is HTTP's."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(_reason(response))
        self.status = response.status_code


class ApiUnreachable(Mendable):
    """Nothing that answers like the API."""


class Client:
    """Logged in after `log_in`. Every method raises Refused or ApiUnreachable."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def register(self, email: str, password: str) -> None:
        await self._send("POST", "auth/register", json={"email": email, "password": password})

    async def log_in(self, email: str, password: str) -> None:
        response = await self._send("POST", "auth/login", json={"email": email, "password": password})
        token = _decode(response, LoggedIn).token
        self._http.headers["Authorization"] = f"Bearer {token}"

    async def quota(self) -> QuotaBody:
        return _decode(await self._send("GET", "user/quota"), QuotaBody)

    async def upload(self, path: Path, on_bytes: OnBytes) -> Uploaded:
        """Streams the file; `on_bytes` hears of each piece."""
        with path.open("rb") as content:
            files = {"file": (path.name, cast("IO[bytes]", _Counted(content, on_bytes)))}
            return _decode(await self._send("POST", "files/upload", files=files), Uploaded)

    async def request_transcription(self, file_id: UUID) -> UUID:
        response = await self._send("POST", "transcriptions", json={"file_id": str(file_id)})
        return _decode(response, TranscriptionChange).transcription_id

    async def transcription(self, transcription_id: UUID) -> TranscriptionBody:
        return _decode(await self._send("GET", f"transcriptions/{transcription_id}"), TranscriptionBody)

    async def export(self, transcription_id: UUID, format_: Format) -> bytes:
        path = f"transcriptions/{transcription_id}/export"
        return (await self._send("GET", path, params={"format": format_})).content

    async def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **content)
        except httpx.HTTPError as problem:
            raise ApiUnreachable(
                f"no answer from {self._http.base_url}: {type(problem).__name__}"
            ) from problem
        if not response.is_success:
            raise Refused(response)
        return response


@asynccontextmanager
async def opened_client(url: str) -> AsyncIterator[Client]:
    """`url` is where the API is, without `/v1`. Raises ApiUnreachable when it is no such thing."""
    local = httpx.URL(url).host in {"127.0.0.1", "localhost", "::1"}
    async with httpx.AsyncClient(
        base_url=f"{url.rstrip('/')}/v1/",
        timeout=_TIMEOUT,
        trust_env=not local,  # a proxy of the environment cannot reach this machine's own address
    ) as http:
        yield Client(http)


def _decode(response: httpx.Response, body: type[Body]) -> Body:
    try:
        return msgspec.json.decode(response.content, type=body)
    except msgspec.DecodeError as problem:
        raise ApiUnreachable(f"{response.url} does not answer like Stenolog: {problem}") from problem


def _reason(response: httpx.Response) -> str:
    """What the problem document says, or else the beginning of whatever came."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{response.request.method} {response.url} was answered {response.status_code} {response.text[:200]}"


class _Counted:
    """A file that tells how far it was read."""

    def __init__(self, content: IO[bytes], on_bytes: OnBytes) -> None:
        self._content = content
        self._on_bytes = on_bytes

    def read(self, size: int = -1) -> bytes:
        piece = self._content.read(size)
        self._on_bytes(len(piece))
        return piece

    def fileno(self) -> int:
        """Lets the length be known before the first byte is sent."""
        return self._content.fileno()
