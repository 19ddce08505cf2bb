"""From a recording on this machine to a finished transcription, as a client that shows how far it is."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from msgspec import Struct

from cli.client import BUSY, ApiUnreachable, Body, Client, Refused, waited_out
from cli.progress import Bar, OnPercent, percent_bars
from cli.running import printable, say
from cli.sending import NotSent
from domain.instructions import Task
from domain.transcript import MediaWarning
from infrastructure.mendable import Mendable
from schemas.bodies import TranscriptionBody, TranscriptionRequest, Uploaded

PATIENCE_SECONDS: Final = 900.0
"""How long an API that is busy or away is waited for; and after how long it is said that a transcription does not get on."""
_POLL_SECONDS: Final = 0.5
_OPEN: Final = frozenset({"queued", "processing"})


class NotTranscribed(Mendable):
    """The transcription ended without a transcript."""


class Wishes(Struct, frozen=True, kw_only=True):
    """What is asked for besides the recording, as in TranscriptionRequest."""

    language: str | None = None
    task: Task = "transcribe"
    prompt: str = ""
    vocabulary: tuple[str, ...] = ()


class Followed(Struct, kw_only=True):
    """A recording on its way; `transcription_id` once it was requested, `is_done` when nothing more is to be said of it."""

    file: Path
    transcription_id: UUID | None = None
    is_done: bool = False

    @property
    def name(self) -> str:
        return printable(self.file.name)


async def transcribe_file(client: Client, file: Path) -> UUID:
    """Uploads, requests and waits until it is done. Raises NotSent or NotTranscribed."""
    followed = Followed(file=file)
    with percent_bars() as bar:
        return await follow(client, followed, Wishes(), bar)


async def follow(client: Client, followed: Followed, wishes: Wishes, bar: Bar) -> UUID:
    """As `transcribe_file`; `followed` says how far it came, also when it is broken off."""
    uploaded = await _upload(client, followed, bar(f"uploading {followed.name}"))
    asked = TranscriptionRequest(
        file_id=uploaded.file_id,
        language=wishes.language,
        task=wishes.task,
        prompt=wishes.prompt,
        vocabulary=list(wishes.vocabulary),
    )
    transcription_id = await patiently(followed.name, lambda: client.request_transcription(asked))
    followed.transcription_id = transcription_id
    ended = await wait_until_ended(
        client, transcription_id, followed.name, bar(f"transcribing {followed.name}")
    )
    require_completed(ended, followed.name)
    return transcription_id


def require_completed(ended: TranscriptionBody, name: str) -> None:
    """Says what there is to say of a transcript. Raises NotTranscribed where there is none."""
    if ended.status != "completed":
        raise NotTranscribed(f"{name}: {ended.status}: {ended.failure_reason or 'no reason given'}")
    for each in ended.warnings:
        say(f"{name}: {_told(each)}")


def _told(warning: MediaWarning) -> str:
    if warning.code == "language_assumed":
        return "nobody said its language, and the model knows one alone: if another is spoken, this text is wrong"
    stretch = f"from {warning.from_seconds:.1f} s to {warning.to_seconds:.1f} s"
    return f"damaged {stretch}: what was said there is missing"


async def patiently(name: str, ask: Callable[[], Awaitable[Body]]) -> Body:
    """Waits out an API that is busy or away, and says so."""
    return await waited_out(ask, PATIENCE_SECONDS, tell=lambda why: say(f"{name}: {why}"))


async def _upload(client: Client, followed: Followed, show: OnPercent) -> Uploaded:
    """As often as it takes: by its key the API knows it again. Raises NotSent."""
    key = str(uuid4())
    size_bytes = await _size_of(followed.file)

    async def send() -> Uploaded:
        sent_bytes = 0

        def count(more: int) -> None:
            nonlocal sent_bytes
            sent_bytes += more
            show(100 * sent_bytes / max(size_bytes, 1), "")

        return await client.upload(followed.file, count, key)

    return await patiently(followed.name, send)


async def _size_of(file: Path) -> int:
    try:
        return (await asyncio.to_thread(file.stat)).st_size
    except OSError as problem:
        raise NotSent(file, f"cannot be read: {problem.strerror}") from problem


async def wait_until_ended(
    client: Client,
    transcription_id: UUID,
    name: str,
    show: OnPercent,
    patience_seconds: float = PATIENCE_SECONDS,
) -> TranscriptionBody:
    """However long the queue is before it: what does not get on is said now and then, and waited for."""
    seen: tuple[str, int] | None = None
    moved_at = time.monotonic()
    async for now in _states(client, transcription_id, name):
        show(now.progress_percentage, now.status)
        if now.status not in _OPEN:
            return now
        if seen != (now.status, now.progress_percentage):
            seen, moved_at = (now.status, now.progress_percentage), time.monotonic()
        elif time.monotonic() - moved_at >= patience_seconds:
            say(f"{name}: still {now.status}; Ctrl-C leaves it to itself")
            moved_at = time.monotonic()
    raise AssertionError("states come without an end")


async def _states(client: Client, transcription_id: UUID, name: str) -> AsyncIterator[TranscriptionBody]:
    """As the API tells them; where it does not, as they are when it is asked."""
    tells = True
    while True:
        if tells:
            try:
                async for state in client.states(transcription_id):
                    yield state
            except Refused as refusal:
                tells = refusal.status in BUSY
            except ApiUnreachable:
                pass
        yield await patiently(name, lambda: client.transcription(transcription_id))
        await asyncio.sleep(_POLL_SECONDS)
