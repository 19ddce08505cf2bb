"""Waiting for a text: what is told of it, and how the wait ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec import structs

from api.errors import status_of
from api.following import Change, State, WindowFinished
from api.lasting import EXTENSION
from api.openai_audio.formats import Done
from api.openai_audio.hearing import StillTranscribing, hear
from api.openai_audio.refusals import NotTranscribed
from api.openai_audio.streaming import Told, events
from api.parts import Parts
from domain.errors import TranscriptionNotFound
from domain.transcription import Status
from projections.transcriptions import TranscriptionView
from tests.api.rig import Installation, Person, fail

SOON = 0.2
NOBODY: Any = {}
"""The scope of a request whose connection nobody knows."""


@dataclass
class Script:
    """Listens to changes that are written down beforehand, and after them to nothing."""

    changes: list[Change]
    is_over: bool = False

    def end(self) -> None:
        self.is_over = True

    async def next(self, timeout_seconds: float) -> Change | None:
        if not self.changes:
            await asyncio.sleep(timeout_seconds)
            return None
        change = self.changes.pop(0)
        self.is_over = isinstance(change, State) and change.is_final
        return change


class ScriptedLive:
    """A hub for whom each listener is told what is written in the next script."""

    def __init__(self, *scripts: Sequence[Change] | Script) -> None:
        self._scripts = [each if isinstance(each, Script) else Script(list(each)) for each in scripts]

    @contextmanager
    def follow(self, *_: UUID) -> Iterator[Script]:
        yield self._scripts.pop(0)


@dataclass
class Restless(Script):
    """Is told the same state again and again, sooner than any sign of life is due."""

    state: State | None = None
    told: int = 0

    async def next(self, timeout_seconds: float) -> Change | None:
        await asyncio.sleep(min(timeout_seconds, SOON / 4))
        if timeout_seconds < SOON / 4:
            return None
        self.told += 1
        return self.state


def parts_of(installation: Installation, *scripts: Sequence[Change] | Script) -> Parts:
    live: Any = ScriptedLive(*scripts)
    return replace(installation.parts, live=live)


async def view_of(installation: Installation, transcription_id: str) -> TranscriptionView:
    view = await installation.parts.reads.transcription.answer(UUID(transcription_id))
    assert view is not None
    return view


def window(index: int, text: str, *, start_ms: int | None = None) -> WindowFinished:
    start_ms = index * 1_000 if start_ms is None else start_ms
    return WindowFinished(
        transcription_id=UUID(int=1), index=index, start_ms=start_ms, end_ms=start_ms + 1_000, text=text
    )


class HungUp:
    """A connection whose client is gone."""

    lasting = 0

    def begin_lasting(self, end: Callable[[], None]) -> None:
        self.lasting += 1
        end()

    def end_lasting(self) -> None:
        self.lasting -= 1


async def heard(
    parts: Parts, view: TranscriptionView, seconds: float = 30, scope: Any = NOBODY
) -> list[object]:
    async with aclosing(hear(scope, parts, view.user_id, view.id, seconds)) as each:
        return [change async for change in each if change is not None]


async def test_windows_and_the_end_are_heard(installation: Installation, anna: Person) -> None:
    view = await view_of(installation, await anna.has_transcript())
    queued = structs.replace(view, status=Status.QUEUED)
    parts = parts_of(installation, [State(queued), window(0, "Hello"), State(view)])
    first, last = await heard(parts, view)
    assert first == window(0, "Hello")
    assert isinstance(last, Done)
    assert (last.transcript.text, last.engine) == ("Hello world.", "scripted")


async def test_a_wait_without_an_end_has_one(installation: Installation, anna: Person) -> None:
    view = await view_of(installation, await anna.has_requested())
    with pytest.raises(StillTranscribing, match=f"follow /v1/transcriptions/{view.id}") as waited:
        await heard(parts_of(installation, [State(view)]), view, SOON)
    assert waited.value.retry_after_seconds == 5
    assert status_of(StillTranscribing) == 503


async def test_signs_of_life_come_also_while_only_the_progress_changes(
    installation: Installation, anna: Person
) -> None:
    """A state now and then, which its listener is not told of, must not put off what keeps proxies from cutting."""
    view = await view_of(installation, await anna.has_requested())
    following = Restless([], state=State(view))
    parts = parts_of(installation, following)
    async with aclosing(hear(NOBODY, parts, view.user_id, view.id, 30, heartbeat_seconds=SOON)) as each:
        async with asyncio.timeout(10):
            signs = [await anext(each) for _ in range(3)]
    assert signs == [None, None, None]
    assert following.told > 3


async def test_a_client_that_hangs_up_ends_its_wait(installation: Installation, anna: Person) -> None:
    view = await view_of(installation, await anna.has_requested())
    connection = HungUp()
    asking: Any = {"extensions": {EXTENSION: connection}}
    with pytest.raises(StillTranscribing):
        await heard(parts_of(installation, [State(view)]), view, scope=asking)
    assert connection.lasting == 0


async def test_who_waits_for_what_fails_is_told(installation: Installation, anna: Person) -> None:
    transcription_id = await anna.has_requested()
    await fail(installation, UUID(transcription_id), UUID(anna.user_id))
    view = await view_of(installation, transcription_id)
    with pytest.raises(NotTranscribed, match=r"could not be transcribed \(unreadable\)"):
        await heard(parts_of(installation, [State(view)]), view)


async def test_who_waits_for_what_is_cancelled_is_told(installation: Installation, anna: Person) -> None:
    transcription_id = await anna.has_requested()
    assert (await anna.client.post(f"/transcriptions/{transcription_id}/cancel")).status_code == 200
    view = await view_of(installation, transcription_id)
    with pytest.raises(NotTranscribed, match="has cancelled it"):
        await heard(parts_of(installation, [State(view)]), view)


async def test_a_failure_of_before_that_is_still_shown_is_no_failure(
    installation: Installation, anna: Person
) -> None:
    view = await view_of(installation, await anna.has_transcript())
    failed = structs.replace(view, status=Status.FAILED, failure_reason="of before")
    [done] = await heard(parts_of(installation, [State(failed)], [State(view)]), view)
    assert isinstance(done, Done)


async def test_what_nobody_asked_for_is_not_waited_for(installation: Installation, anna: Person) -> None:
    view = await view_of(installation, await anna.has_transcript())
    unknown = structs.replace(view, id=UUID(int=5), status=Status.FAILED)
    with pytest.raises(TranscriptionNotFound):
        await heard(parts_of(installation, [State(unknown)]), unknown)


def test_windows_make_the_text_with_a_space_between_them() -> None:
    told = Told()
    assert [told.next(window(0, "Hello")), told.next(window(1, "")), told.next(window(2, "world."))] == [
        "Hello",
        "",
        " world.",
    ]
    assert told.rest("Hello world. Good bye.") == " Good bye."


def test_what_was_told_is_not_told_again_when_it_is_cut_anew() -> None:
    told = Told()
    told.next(window(0, "Hello"))
    assert told.next(window(0, "Hello", start_ms=0)) == ""
    assert told.next(window(1, "world.", start_ms=1_000)) == " world."


@pytest.mark.parametrize(
    "third",
    [
        pytest.param(window(2, "third."), id="a window in between is lost"),
        pytest.param(window(1, "second third.", start_ms=900), id="it was cut anew"),
    ],
)
def test_deltas_make_the_text_also_where_a_window_is_missing(third: WindowFinished) -> None:
    told = Told()
    deltas = [told.next(window(0, "First")), told.next(third), told.next(window(3, "fourth"))]
    assert "".join([*deltas, told.rest("First second third. fourth")]) == "First second third. fourth"


def test_a_text_that_turned_out_another_is_left_to_the_last_event() -> None:
    told = Told()
    told.next(window(0, "Hallo"))
    assert told.rest("Hello world.") == ""


async def lines_of(stream: AsyncIterator[bytes]) -> list[dict[str, Any]]:
    content = b"".join([each async for each in stream])
    return [
        msgspec.json.decode(part.removeprefix(b"data: "))
        for part in content.split(b"\n\n")
        if part.startswith(b"data: ")
    ]


class Asking:
    """As much of a request as a refusal needs."""

    scope = {"path": "/v1/audio/transcriptions", "headers": [], "state": {}}  # noqa: RUF012


async def test_the_deltas_of_a_stream_make_the_text(installation: Installation, anna: Person) -> None:
    view = await view_of(installation, await anna.has_transcript())
    parts = parts_of(installation, [window(0, "Hello"), State(view)])
    asking: Any = Asking()
    *deltas, done = await lines_of(await events(asking, parts, view.user_id, view.id))
    assert [each["delta"] for each in deltas] == ["Hello", " world."]
    assert (done["type"], done["text"]) == ("transcript.text.done", "Hello world.")


async def test_what_goes_wrong_in_a_stream_is_its_last_event(
    installation: Installation, anna: Person
) -> None:
    transcription_id = await anna.has_requested()
    await fail(installation, UUID(transcription_id), UUID(anna.user_id))
    view = await view_of(installation, transcription_id)
    asking: Any = Asking()
    parts = parts_of(installation, [State(view)])
    [event] = await lines_of(await events(asking, parts, view.user_id, view.id))
    assert event["error"]["code"] == "not_transcribed"
