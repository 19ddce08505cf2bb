"""A crowd that is one user: a hundred commands at the same moment, again and again."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx

from domain.transcription import transcription_id_of
from tests.chaos.client import PAUSE_SECONDS_MAX, TIMEOUT_SECONDS, SimulatedClient
from tests.chaos.ledger import Burst, Command, Ledger

CALM_SECONDS: Final = 60.0
"""Who is one of a hundred has to wait, and may be put off by a busy machine; where nothing is broken, how long is not
judged here."""
COMMANDS_PER_FILE: Final = 4
"""Of which one at most may be accepted; to upload costs more than to ask."""
ROUND_PAUSE_SECONDS: Final = 1.0
UPLOADS_TOGETHER: Final = 2
"""What is tried here is commands about one quota, and how much of it uploads may use is another matter."""
SPENT_AFTER: Final = 2
"""So many rounds in which nothing was accepted say that the user's minutes are gone."""


class Crowd(SimulatedClient):
    """Asks for transcriptions with `size` commands at once, several for each of its files, then cancels all at once.

    Each file costs a minute and the quota holds fewer than there are: so many are accepted, and the rest is refused.
    """

    def __init__(self, size: int, seed: int, urls: Sequence[str], recording: Path, ledger: Ledger) -> None:
        super().__init__(-1, seed, urls, [recording], ledger)
        self.size = size
        self._known_seq = 0
        self._recent: list[Command] = []

    async def arrives(self) -> None:
        await super().arrives()
        await self._brings_files(asyncio.Event())

    async def works(self, stop: asyncio.Event) -> None:
        """Goes on as somebody new when the minutes are gone."""
        fruitless = 0
        while not stop.is_set():
            fruitless = 0 if await self.asks() else fruitless + 1
            await self.cancels()
            if fruitless == SPENT_AFTER and not stop.is_set():
                fruitless = 0
                if await self._starts_over():
                    await self._brings_files(stop)
            await asyncio.sleep(ROUND_PAUSE_SECONDS)

    async def asks(self, *, calm: bool = False) -> int:
        """One burst; in calm, who is put off comes back until it is decided. Returns how many were accepted."""
        known_seq, self._recent = self._known_seq, []
        asks = self._asks_until_decided if calm else self._asks_once
        files = self._files * COMMANDS_PER_FILE
        await asyncio.gather(*(asks(file_id) for file_id in files))
        self._ledger.bursts.append(
            Burst(
                owner_id=self.user_id,
                calm=calm,
                known_seq=known_seq,
                file_count=len(self._files),
                command_count=len(files),
                commands=list(self._recent),
            )
        )
        return sum(command.outcome == "done" for command in self._recent)

    async def _asks_once(self, file_id: str, seconds: float = TIMEOUT_SECONDS) -> httpx.Response | None:
        request = {"file_id": file_id}
        return await self._command("request", "POST", "/transcriptions", json=request, timeout=seconds)

    async def _asks_until_decided(self, file_id: str) -> None:
        ends_at = time.monotonic() + CALM_SECONDS
        while answer := await self._asks_once(file_id, CALM_SECONDS):
            if answer.status_code != 503 or time.monotonic() > ends_at:
                return
            await asyncio.sleep(int(answer.headers["Retry-After"]))

    async def cancels(self) -> None:
        """Also those that never were."""
        named = [transcription_id_of(UUID(file_id)) for file_id in self._files * COMMANDS_PER_FILE]
        await asyncio.gather(
            *(self._command("cancel", "POST", f"/transcriptions/{each}/cancel") for each in named)
        )

    async def _starts_over(self) -> bool:
        self._known_seq = 0  # of another partition
        return await super()._starts_over()

    async def _brings_files(self, stop: asyncio.Event) -> None:

        async def bring() -> None:
            while len(self._files) < self.size // COMMANDS_PER_FILE and not stop.is_set():
                before = len(self._files)
                await self._uploads()
                if len(self._files) == before:
                    await asyncio.sleep(PAUSE_SECONDS_MAX)

        await asyncio.gather(*(bring() for _ in range(UPLOADS_TOGETHER)))
        del self._files[self.size // COMMANDS_PER_FILE :]  # two that brought the last one at once

    def _record(self, command: Command) -> None:
        super()._record(command)
        self._recent.append(command)
        if command.token:
            self._known_seq = max(self._known_seq, int(command.token.partition(":")[2]))
