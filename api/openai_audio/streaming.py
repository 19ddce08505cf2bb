"""A transcription as it is heard, as Server-Sent Events."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final
from uuid import UUID

import msgspec
from litestar.types import HTTPScope as Scope
from msgspec import Struct

from api.errors import answer_to
from api.following import WindowFinished
from api.openai_audio.formats import Done, last_event
from api.openai_audio.hearing import STREAM_SECONDS_MAX, hear
from api.parts import Parts
from api.requests import AuthenticatedRequest
from schemas.audio_bodies import TextDelta

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT: Final = b": the work goes on\n\n"
"""A comment, which every client passes by."""


class Told:
    """The text that a client has been sent: what it cannot be told any more was told otherwise."""

    def __init__(self) -> None:
        self._text = ""
        self._end_ms = 0

    def next(self, window: WindowFinished) -> str:
        """Empty for one that does not begin where the last one ended: `rest` has it, with what is between.

        Another attempt may cut the recording in another way, and reports of windows may be lost.
        """
        if window.start_ms != self._end_ms:
            return ""
        self._end_ms = window.end_ms
        return self._added(f" {window.text}" if self._text and window.text else window.text)

    def rest(self, text: str) -> str:
        """Of the whole text. Empty where it turned out another one; then the last event has it."""
        return self._added(text.removeprefix(self._text)) if text.startswith(self._text) else ""

    def _added(self, text: str) -> str:
        self._text += text
        return text


async def events(
    request: AuthenticatedRequest, parts: Parts, user_id: UUID, transcription_id: UUID
) -> AsyncIterator[bytes]:
    """Deltas, the last event, and comments in between. Raises TooManyListeners or Overloaded before it begins."""
    told = _told(request.scope, parts, user_id, transcription_id)
    first = await anext(told)
    return _begun(request, first, told)


async def _begun(
    request: AuthenticatedRequest, first: bytes, told: AsyncGenerator[bytes, None]
) -> AsyncIterator[bytes]:
    """What goes wrong from now on is an event, too."""
    async with aclosing(told):
        yield first
        try:
            async for each in told:
                yield each
        except Exception as problem:  # noqa: BLE001  # as for any other request, each has its answer
            yield _event(answer_to(request, problem).content)


async def _told(
    scope: Scope, parts: Parts, user_id: UUID, transcription_id: UUID
) -> AsyncGenerator[bytes, None]:
    told = Told()
    async with aclosing(hear(scope, parts, user_id, transcription_id, STREAM_SECONDS_MAX)) as heard:
        async for each in heard:
            match each:
                case None:
                    yield HEARTBEAT
                case WindowFinished():
                    delta = told.next(each)
                    yield _event(TextDelta(delta=delta)) if delta else HEARTBEAT
                case Done():
                    if delta := told.rest(each.transcript.text):
                        yield _event(TextDelta(delta=delta))
                    yield _event(last_event(each))


def _event(body: Struct) -> bytes:
    """Without a name, as OpenAI's are; JSON has no line breaks."""
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
