"""A simulated client: registers, uploads, asks, edits, cancels and reads, and writes down every answer."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx

from tests.chaos.ledger import Command, Ledger

PASSWORD: Final = "correct horse battery"
TIMEOUT_SECONDS: Final = 6.0
PAUSE_SECONDS_MAX: Final = 0.4
ACTIONS: Final = {
    "uploads": 3,
    "requests": 5,
    "requests_again": 1,
    "cancels": 2,
    "edits": 4,
    "looks": 6,
    "lists": 1,
    "starts_over": 0.5,
    "is_erased": 0.3,
}
"""What a client does next, and how often compared with the rest."""


class SimulatedClient:
    """Its choices depend on the seed and its number alone; what comes of them depends on the faults."""

    def __init__(
        self, number: int, seed: int, urls: Sequence[str], recordings: Sequence[Path], ledger: Ledger
    ) -> None:
        self._chance = random.Random(f"client {seed} {number}")
        self._urls = urls
        self._recordings = recordings
        self._ledger = ledger
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS, limits=httpx.Limits(max_connections=None), trust_env=False
        )
        self._files: list[str] = []
        self._transcriptions: list[str] = []
        self._edit_count = 0
        self.user_id = UUID(int=0)

    async def works(self, stop: asyncio.Event) -> None:
        """Returns after the action that is under way when `stop` is set."""
        while not stop.is_set():
            (action,) = self._chance.choices(list(ACTIONS), list(ACTIONS.values()))
            await getattr(self, f"_{action}")()
            await asyncio.sleep(self._chance.uniform(0, PAUSE_SECONDS_MAX))

    async def leaves(self) -> None:
        await self._http.aclose()

    async def arrives(self) -> None:
        """Tries new addresses until one is logged in."""
        while not await self._starts_over():
            await asyncio.sleep(PAUSE_SECONDS_MAX)

    async def _starts_over(self) -> bool:
        """As somebody new; stays who it was when that does not work."""
        credentials = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
        await self._command("register", "POST", "/auth/register", json=credentials)
        login = await self._send("POST", "/auth/login", json=credentials)
        if login is None or login.status_code != 200:
            return False
        self._http.headers["Authorization"] = f"Bearer {login.json()['token']}"
        self.user_id = UUID(login.json()["user"]["id"])
        self._files, self._transcriptions = [], []
        return True

    async def _is_erased(self) -> None:
        """Then goes on as somebody new, also without an answer: it may be done at any moment from now on.

        A query of who was told so is answered 410 by whichever server.
        """
        answer = await self._command("erase", "DELETE", "/auth/me", json={"password": PASSWORD})
        if answer and answer.status_code == 202:
            await self._expects_nothing()
        await self.arrives()

    async def _expects_nothing(self) -> None:
        for path in ("/files", "/transcriptions", "/user/quota", "/auth/me"):
            answer = await self._send("GET", path)
            if answer is not None and answer.status_code < 500:
                self._ledger.reads["of who was erased"] += 1
                if answer.status_code != 410:
                    self._ledger.shown.append(f"{path}: {answer.status_code} {answer.text[:200]}")

    async def _uploads(self) -> None:
        recording = self._chance.choice(self._recordings)
        content = await asyncio.to_thread(recording.read_bytes)
        answer = await self._command(
            "upload", "POST", "/files/upload", files={"file": (recording.name, content)}
        )
        if answer and answer.status_code == 201:
            file_id = answer.json()["file_id"]
            self._files.append(file_id)
            await self._expects(answer, f"/files/{file_id}", {"file_id": file_id})

    async def _requests(self) -> None:
        if not self._files:
            await self._uploads()
            return
        file_id = self._files.pop(self._chance.randrange(len(self._files)))
        answer = await self._command("request", "POST", "/transcriptions", json={"file_id": file_id})
        if answer and answer.status_code == 202:
            transcription_id = answer.json()["transcription_id"]
            self._transcriptions.append(transcription_id)
            await self._expects(answer, f"/transcriptions/{transcription_id}", {"file_id": file_id})
        elif answer is None or answer.status_code >= 500:
            self._files.append(file_id)

    async def _requests_again(self) -> None:
        """For a file that has a transcription: refused, unless that one failed or was cancelled."""
        if seen := await self._looks():
            await self._command("request", "POST", "/transcriptions", json={"file_id": seen["file_id"]})

    async def _cancels(self) -> None:
        if not self._transcriptions:
            return
        transcription_id = self._chance.choice(self._transcriptions)
        path = f"/transcriptions/{transcription_id}"
        answer = await self._command("cancel", "POST", f"{path}/cancel")
        if answer and answer.status_code == 200:
            await self._expects(answer, path, {"status": "cancelled"})

    async def _edits(self) -> None:
        """Changes a word of a finished transcript, or leaves all as it is."""
        seen = await self._looks()
        if seen is None or seen["status"] != "completed":
            return
        self._edit_count += 1
        words = seen["transcript_text"].split(" ")
        words[self._chance.randrange(len(words))] = f"edit-{self._edit_count % 5}"
        text = " ".join(words)
        path = f"/transcriptions/{seen['transcription_id']}"
        answer = await self._command("edit", "PUT", f"{path}/text", json={"transcript_text": text})
        if answer and answer.status_code == 200:
            await self._expects(answer, path, {"transcript_text": text})

    async def _looks(self) -> dict[str, Any] | None:
        if not self._transcriptions:
            return None
        path = f"/transcriptions/{self._chance.choice(self._transcriptions)}"
        answer = await self._send("GET", path)
        if answer is None or answer.status_code != 200:
            return None
        seen: dict[str, Any] = answer.json()
        return seen

    async def _lists(self) -> None:
        for path in ("/files", "/transcriptions", "/user/quota", "/auth/me"):
            await self._send("GET", path)

    async def _expects(self, written: httpx.Response, path: str, members: dict[str, Any]) -> None:
        """A query with the token of a command shows what the command did, or says that it cannot yet."""
        token = written.headers.get("Consistency-Token")
        if token is None:
            return
        answer = await self._send("GET", path, headers={"Consistency-Token": token})
        if answer is None or answer.status_code >= 500:
            self._ledger.reads["unanswered"] += 1
        elif answer.headers.get("Consistency-Status") == "behind":
            self._ledger.reads["said to be behind"] += 1
        elif answer.status_code == 200 and members.items() <= answer.json().items():
            self._ledger.reads["showed the write"] += 1
        else:
            self._ledger.reads["stale"] += 1
            self._ledger.stale.append(f"{path} after {token}: {answer.status_code} {answer.text[:200]}")

    async def _command(self, kind: str, method: str, path: str, **request: Any) -> httpx.Response | None:
        request_id = uuid4()
        answer = await self._send(method, path, headers={"X-Request-Id": str(request_id)}, **request)
        self._record(_recorded(kind, request_id, answer))
        return answer

    def _record(self, command: Command) -> None:
        self._ledger.commands.append(command)

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        """To any of the servers; None when no answer came."""
        url = f"{self._chance.choice(self._urls)}/v1{path}"
        try:
            answer = await self._http.request(method, url, **request)
        except httpx.TransportError as problem:
            self._ledger.statuses[type(problem).__name__] += 1
            return None
        self._ledger.statuses[str(answer.status_code)] += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            self._ledger.broken.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer


def _recorded(kind: str, request_id: UUID, answer: httpx.Response | None) -> Command:
    if answer is None:
        return Command(kind=kind, request_id=request_id, status=None)
    body = answer.json()
    return Command(
        kind=kind,
        request_id=request_id,
        status=answer.status_code,
        token=answer.headers.get("Consistency-Token"),
        subject=body.get("file_id") if kind == "upload" else body.get("transcription_id"),
    )
