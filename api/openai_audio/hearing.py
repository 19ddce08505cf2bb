"""Waiting for a transcription to end, without asking the database: what is heard of it meanwhile, and how it ended."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeAlias
from uuid import UUID

from litestar.types import HTTPScope as Scope

from api.following import Following, State, WindowFinished
from api.lasting import lasting
from api.openai_audio.formats import Done
from api.openai_audio.models import engine_of
from api.openai_audio.refusals import NotTranscribed
from api.parts import Parts
from api.rejections import ComeBackLater, Overloaded
from commands.execution import load
from domain.errors import TranscriptionNotFound
from domain.transcription import TRANSCRIPTION, Status
from projections.transcriptions import TranscriptionView

WAIT_SECONDS_MAX: Final = 570.0
"""For a whole answer: OpenAI's clients wait for ten minutes, and are told before that to come again."""
STREAM_SECONDS_MAX: Final = 6 * 3600.0
HEARTBEAT_SECONDS: Final = 15.0
"""Between two signs of life: proxies cut connections on which nothing comes for a minute, or for half of one."""
BEHIND_SECONDS: Final = 0.2
"""Until read models that are behind the log are worth another look."""
RETRY_AFTER_SECONDS: Final = 5


class StillTranscribing(Overloaded):
    """The work goes on: who sends the same again finds it. Its own words, and the status of all that is for later."""

    code = "still_transcribing"

    def __init__(self, transcription_id: UUID) -> None:
        text = (
            "The recording is still being transcribed: send the same again for the answer, which costs nothing "
            f"more, or follow /v1/transcriptions/{transcription_id}"
        )
        ComeBackLater.__init__(self, text, RETRY_AFTER_SECONDS)


Heard: TypeAlias = WindowFinished | Done | None
"""None when there was nothing for a while."""


async def outcome(scope: Scope, parts: Parts, user_id: UUID, transcription_id: UUID) -> Done:
    """Raises what `hear` does."""
    async with aclosing(hear(scope, parts, user_id, transcription_id, WAIT_SECONDS_MAX)) as heard:
        async for each in heard:
            if isinstance(each, Done):
                return each
    raise StillTranscribing(transcription_id)


async def hear(
    scope: Scope,
    parts: Parts,
    user_id: UUID,
    transcription_id: UUID,
    seconds: float,
    *,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> AsyncGenerator[Heard, None]:
    """What is finished of it, and when it is completed all of it; nothing comes after that. None comes at once.

    Raises StillTranscribing at the latest after so many seconds, and at once when the client hangs up or the server
    stops; NotTranscribed, TranscriptionNotFound, TranscriptMissing or ObjectStoreUnavailable.
    """
    ends_at = asyncio.get_running_loop().time() + seconds
    while True:
        final: TranscriptionView | None = None
        with (
            parts.live.follow(user_id, transcription_id) as following,
            lasting(scope, following.end),
        ):
            yield None  # Whoever has to be refused has been by now.
            async for change in _changes(following, ends_at, heartbeat_seconds):
                if isinstance(change, State):
                    final = change.view if change.is_final else None
                else:
                    yield change
        if final is None:
            raise StillTranscribing(transcription_id)
        if final.status == Status.COMPLETED:
            yield await _done(parts, final)
            return
        await _require_going_on(parts, final)


async def _changes(
    following: Following, ends_at: float, heartbeat_seconds: float
) -> AsyncGenerator[State | WindowFinished | None, None]:
    """Until it has ended, is gone, or time is up. A state is no sign of life: its listener is not told of it."""
    loop = asyncio.get_running_loop()
    sign_at = loop.time() + heartbeat_seconds
    while not following.is_over and (left_seconds := ends_at - loop.time()) > 0:
        change = await following.next(min(left_seconds, max(0.0, sign_at - loop.time())))
        if not isinstance(change, State):
            sign_at = loop.time() + heartbeat_seconds
        yield change if isinstance(change, State | WindowFinished) else None


async def _done(parts: Parts, view: TranscriptionView) -> Done:
    assert view.transcript_key is not None
    return Done(
        transcription_id=view.id,
        engine=await engine_of(parts, view.id, view.user_id),
        transcript=await parts.texts.transcript(view.transcript_key),
    )


async def _require_going_on(parts: Parts, view: TranscriptionView) -> None:
    """Returns when it was asked for again, and the read models did not know yet."""
    transcription = (await load(parts.store, TRANSCRIPTION, view.id, view.user_id)).state
    match transcription.status:
        case Status.FAILED:
            raise NotTranscribed(f"could not be transcribed ({view.failure_reason or 'nobody knows why'})")
        case Status.CANCELLED:
            raise NotTranscribed("was not transcribed, since somebody has cancelled it")
        case Status.DELETED | Status.ABSENT:
            raise TranscriptionNotFound(view.id)
        case _:
            await asyncio.sleep(BEHIND_SECONDS)
