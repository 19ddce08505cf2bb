"""The client that OpenAI publishes, as it is, against a running Stenolog: every format, streams, hang-ups and errors."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
import pytest_asyncio
import srt
import webvtt
from openai import AsyncOpenAI

from tests.api.rig import sound
from tests.end_to_end.installation import Installation, start, stop
from tests.end_to_end.person import Person

SECONDS = 40
"""Of each recording: eight windows, in five seconds."""
FREE_MINUTES = 4
SCRIPT = {
    "engine": "scripted",
    "scripted_speed": 8,
    "window_seconds": 5,
    "free_minutes": FREE_MINUTES,
    "uploads_per_user": 2,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scripted() -> AsyncIterator[Installation]:
    """The whole system, with an engine that makes words up."""
    with tempfile.TemporaryDirectory(prefix="stenolog-up-") as folder:
        Path(folder).chmod(0o711)
        installed = await start(Path(folder), **SCRIPT)
        try:
            yield installed
        finally:
            await stop(installed)


@pytest_asyncio.fixture
async def anna(scripted: Installation) -> AsyncIterator[Person]:
    async with Person.arrives(scripted.url) as person:
        yield person


@pytest_asyncio.fixture
async def client(scripted: Installation, anna: Person) -> AsyncIterator[AsyncOpenAI]:
    token = anna.client.headers["Authorization"].removeprefix("Bearer ")
    async with AsyncOpenAI(base_url=f"{scripted.url}/v1", api_key=token) as client:
        yield client


def recording(level: int = 1, seconds: float = SECONDS) -> tuple[str, bytes]:
    return "talk.wav", sound(seconds, level=level)


@asynccontextmanager
async def stalled_upload(person: Person) -> AsyncIterator[None]:
    """One that the server reads, and of which nothing comes."""
    url = urlsplit(str(person.client.base_url))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST /v1/files/upload HTTP/1.1\r\nHost: stenolog\r\nContent-Length: 1000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nExpect: 100-continue\r\n"
        + f"Authorization: {person.client.headers['Authorization']}\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
    try:
        yield
    finally:
        writer.close()


async def ids_of(person: Person) -> list[str]:
    answer = await person.client.get("/transcriptions")
    return [each["transcription_id"] for each in answer.json()]


async def test_every_format_of_one_recording_is_paid_once(anna: Person, client: AsyncOpenAI) -> None:
    ask = client.audio.transcriptions.create
    plain = await ask(file=recording(), model="whisper-1")
    assert plain.text.startswith("word-0 word-500 ")
    assert plain.languages is not None
    assert [each.code for each in plain.languages] == ["en"]
    assert plain.usage is not None
    assert plain.usage.to_dict() == {"type": "duration", "seconds": SECONDS}

    assert (
        await ask(file=recording(), model="gpt-4o-transcribe", response_format="text") == plain.text + "\n"
    )
    cues = list(srt.parse(await ask(file=recording(), model="whisper-1", response_format="srt")))
    assert " ".join(" ".join(cue.content.split()) for cue in cues) == plain.text
    subtitles = await ask(file=recording(), model="whisper-1", response_format="vtt")
    assert len(webvtt.from_string(subtitles).captions) == len(cues)

    verbose = await ask(
        file=recording(),
        model="gpt-transcribe",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert verbose.duration == SECONDS
    assert verbose.words is not None
    assert verbose.segments is not None
    assert [each.word for each in verbose.words] == plain.text.split()
    assert (verbose.words[1].start, verbose.words[1].end) == (0.5, 0.9)
    assert "".join(each.text for each in verbose.segments).strip() == plain.text
    assert verbose.model_extra is not None
    assert verbose.model_extra["model"] == "scripted"

    assert await ids_of(anna) == [verbose.model_extra["transcription_id"]]
    assert (await anna.quota())["quota_minutes_used"] == 1


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # says OpenAI of its own
async def test_a_translation_says_that_it_is_one(client: AsyncOpenAI) -> None:
    translated = await client.audio.translations.create(
        file=recording(2, 6.0), model="whisper-1", response_format="verbose_json"
    )
    assert translated.language == "english"
    assert translated.text.startswith("word-0 ")


async def test_a_stream_tells_what_is_finished_while_the_rest_is_still_heard(
    anna: Person, client: AsyncOpenAI
) -> None:
    stream = await client.audio.transcriptions.create(
        file=recording(3), model="gpt-4o-mini-transcribe", stream=True
    )
    deltas: list[str] = []
    seen: list[str] = []
    done: Any = None
    async for event in stream:
        if event.type == "transcript.text.delta":
            deltas.append(event.delta)
            seen += [] if seen else [(await anna.sees((await ids_of(anna))[0]))["status"]]
        else:
            done = event
    assert seen == ["processing"]
    assert len(deltas) > 2
    assert "".join(deltas) == done.text
    assert (done.type, done.usage.seconds) == ("transcript.text.done", SECONDS)


async def test_who_hangs_up_and_asks_again_gets_the_text_and_pays_once(
    anna: Person, client: AsyncOpenAI
) -> None:
    hasty = client.with_options(timeout=1, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        await hasty.audio.transcriptions.create(file=recording(4), model="whisper-1")
    stubborn = client.with_options(timeout=3, max_retries=10)
    answer = await stubborn.audio.transcriptions.create(file=recording(4), model="whisper-1")
    assert answer.text.startswith("word-0 word-500 ")
    assert len(await ids_of(anna)) == 1
    assert await anna.quota() == {
        "quota_minutes_remaining": FREE_MINUTES - 1,
        "quota_minutes_reserved": 0,
        "quota_minutes_used": 1,
    }


async def test_refusals_are_the_errors_that_the_client_knows(anna: Person, client: AsyncOpenAI) -> None:
    ask = client.audio.transcriptions.create
    with pytest.raises(openai.BadRequestError) as refused:
        await ask(file=recording(5), model="whisper-1", temperature=0.5)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "temperature")
    assert refused.value.request_id == refused.value.response.headers["X-Request-Id"]
    with pytest.raises(openai.BadRequestError, match="speakers are not told apart"):
        await ask(file=recording(5), model="whisper-1", known_speaker_references=["data:" + "x" * 200_000])
    with pytest.raises(openai.NotFoundError, match="send one of scripted, whisper-1"):
        await ask(file=recording(5), model="large-v3")
    with pytest.raises(openai.APIStatusError) as unpaid:
        await ask(file=recording(5, FREE_MINUTES * 60 + 1), model="whisper-1")
    assert (unpaid.value.status_code, unpaid.value.code) == (402, "insufficient_quota")
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="sk-nobody").models.list()
    assert await ids_of(anna) == []


async def test_who_sends_too_much_at_once_is_told_to_wait(anna: Person, client: AsyncOpenAI) -> None:
    """Two uploads are under way that will not end, and a third is refused until one of them does."""
    impatient = client.with_options(max_retries=0)
    async with stalled_upload(anna), stalled_upload(anna):
        with pytest.raises(openai.RateLimitError) as refused:
            await impatient.audio.transcriptions.create(file=recording(6), model="whisper-1")
    assert refused.value.code == "too_many_uploads"
    assert "Retry-After" in refused.value.response.headers


async def test_the_models_are_what_runs_and_what_openai_calls_it(client: AsyncOpenAI) -> None:
    listed = [each.id async for each in await client.models.list()]
    assert listed[:2] == ["scripted", "whisper-1"]
    assert (await client.models.retrieve("scripted")).owned_by == "stenolog"
