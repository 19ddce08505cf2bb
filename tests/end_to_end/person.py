"""Somebody who uses Stenolog through its public HTTP API and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

PASSWORD = "correct horse battery"


class Person:
    def __init__(self, client: httpx.AsyncClient, email: str) -> None:
        self.client = client
        self.email = email

    @classmethod
    @asynccontextmanager
    async def arrives(cls, url: str) -> AsyncIterator[Self]:
        """Registers under a new address and logs in; leaves also when the test fails."""
        async with httpx.AsyncClient(base_url=f"{url}/v1", timeout=30) as client:
            person = cls(client, f"{uuid4().hex}@example.com")
            credentials = {"email": person.email, "password": PASSWORD}
            expect(await client.post("/auth/register", json=credentials), 201)
            login = expect(await client.post("/auth/login", json=credentials), 200)
            client.headers["Authorization"] = f"Bearer {login['token']}"
            yield person

    def moves_to(self, url: str) -> None:
        """Talks to a server at another address from now on; the login still holds there."""
        self.client.base_url = httpx.URL(f"{url}/v1")

    async def uploads(self, path: Path) -> dict[str, Any]:
        with path.open("rb") as recording:
            return expect(await self.client.post("/files/upload", files={"file": recording}), 201)

    async def requests(self, file_id: str) -> str:
        answer = expect(await self.client.post("/transcriptions", json={"file_id": file_id}), 202)
        return str(answer["transcription_id"])

    async def sees(self, transcription_id: str) -> dict[str, Any]:
        return expect(await self.client.get(f"/transcriptions/{transcription_id}"), 200)

    async def waits_until(
        self,
        transcription_id: str,
        satisfied: Callable[[dict[str, Any]], bool],
        deadline_seconds: float = 90,
    ) -> dict[str, Any]:
        """Polls as a client would, through restarts of the server; the last answer is in the failure."""
        ends_at = time.monotonic() + deadline_seconds
        seen: dict[str, Any] | None = None
        while time.monotonic() < ends_at:
            seen = await self._looks(transcription_id)
            if seen is not None and satisfied(seen):
                return seen
            await asyncio.sleep(0.1)  # a client's polling interval, not a wait for luck
        raise AssertionError(f"not within {deadline_seconds} s; last seen: {seen or 'nothing'}")

    async def _looks(self, transcription_id: str) -> dict[str, Any] | None:
        """None while the server is away, or asks its clients to come again."""
        try:
            answer = await self.client.get(f"/transcriptions/{transcription_id}")
        except httpx.TransportError:
            return None
        if answer.status_code == 503 and "Retry-After" in answer.headers:
            return None
        return expect(answer, 200)

    async def waits_for(
        self, transcription_id: str, status: str, deadline_seconds: float = 90
    ) -> dict[str, Any]:
        return await self.waits_until(
            transcription_id, lambda seen: seen.get("status") == status, deadline_seconds
        )

    async def quota(self) -> dict[str, int]:
        answer: dict[str, int] = expect(await self.client.get("/user/quota"), 200)
        return answer

    async def exports(self, transcription_id: str, format_: str) -> str:
        answer = await self.client.get(
            f"/transcriptions/{transcription_id}/export", params={"format": format_}
        )
        assert answer.status_code == 200, answer.text
        return answer.text

    async def finds(self, text: str, deadline_seconds: float = 60) -> list[dict[str, Any]]:
        """Asks until something is found, which is a moment after it was said or edited."""
        ends_at = time.monotonic() + deadline_seconds
        while not (found := await self.searches(text)):
            assert time.monotonic() < ends_at, f"nothing is found within {deadline_seconds} s"
            await asyncio.sleep(0.1)  # a client's polling interval, not a wait for luck
        return found

    async def searches(self, text: str) -> list[dict[str, Any]]:
        answer = await self.client.get("/search", params={"q": text})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    async def edits(self, transcription_id: str, text: str) -> dict[str, Any]:
        return expect(
            await self.client.put(
                f"/transcriptions/{transcription_id}/text", json={"transcript_text": text}
            ),
            200,
        )


def expect(answer: httpx.Response, status_code: int) -> dict[str, Any]:
    """The answer's body, if it has the expected status."""
    assert answer.status_code == status_code, f"{answer.status_code}: {answer.text}"
    body: dict[str, Any] = answer.json()
    return body
