"""From a recording on this machine to a finished transcription, as a client that shows how far it is."""

import asyncio
import time
from pathlib import Path
from typing import Final
from uuid import UUID

from cli.client import Client, Refused
from cli.progress import OnPercent, percent_bar
from cli.running import say
from domain.transcript import MediaWarning
from infrastructure.mendable import Mendable
from schemas.bodies import TranscriptionBody, Uploaded

_POLL_SECONDS: Final = 0.5
_STALLED_SECONDS: Final = 900.0
_OPEN: Final = frozenset({"queued", "processing"})
_CONFLICT: Final = 409


class NotTranscribed(Mendable):
    """The transcription ended without a transcript, or does not get on."""


async def register_unless_known(client: Client, email: str, password: str) -> None:
    try:
        await client.register(email, password)
    except Refused as refusal:
        if refusal.status != _CONFLICT:
            raise


async def transcribe_file(client: Client, file: Path) -> UUID:
    """Uploads, requests and waits until it is done. Raises NotTranscribed."""
    uploaded = await _upload(client, file)
    transcription_id = await client.request_transcription(uploaded.file_id)
    with percent_bar(f"transcribing {file.name}") as show:
        ended = await _wait_until_ended(client, transcription_id, show)
    if ended.status != "completed":
        raise NotTranscribed(f"{file.name}: {ended.status}: {ended.failure_reason or 'no reason given'}")
    for each in ended.warnings:
        say(f"{file.name}: {_told(each)}")
    return transcription_id


def _told(warning: MediaWarning) -> str:
    if warning.code == "language_assumed":
        return "nobody said its language, and the model knows one alone: if another is spoken, this text is wrong"
    stretch = f"from {warning.from_seconds:.1f} s to {warning.to_seconds:.1f} s"
    return f"damaged {stretch}: what was said there is missing"


async def _upload(client: Client, file: Path) -> Uploaded:
    size_bytes = (await asyncio.to_thread(file.stat)).st_size
    sent_bytes = 0
    with percent_bar(f"uploading {file.name}") as show:

        def count(more: int) -> None:
            nonlocal sent_bytes
            sent_bytes += more
            show(100 * sent_bytes / max(size_bytes, 1), "")

        return await client.upload(file, count)


async def _wait_until_ended(client: Client, transcription_id: UUID, show: OnPercent) -> TranscriptionBody:
    seen: tuple[str, int] | None = None
    moved_at = time.monotonic()
    while True:
        now = await client.transcription(transcription_id)
        show(now.progress_percentage, now.status)
        if now.status not in _OPEN:
            return now
        if seen != (now.status, now.progress_percentage):
            seen, moved_at = (now.status, now.progress_percentage), time.monotonic()
        elif time.monotonic() - moved_at > _STALLED_SECONDS:
            raise NotTranscribed(f"{transcription_id} has been {now.status} for {_STALLED_SECONDS:.0f} s")
        await asyncio.sleep(_POLL_SECONDS)
