"""The routes for OpenAI's clients: one request with the recording, and the text in the answer, paid once."""

import asyncio
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.openai_audio.models import OPENAI_NAMES
from domain.transcript import Transcript
from tests.api.rig import HEARD, Installation, Person, complete, fail, sound, spend
from tests.api.test_raw_http import serving_door
from tests.api.wire import Wire

DEADLINE_SECONDS = 20.0
EVENTS_OF_WORK = ["FileUploaded", "TranscriptionRequested", "QuotaReserved"]


async def ask(
    person: Person,
    content: bytes | None = None,
    *,
    path: str = "/audio/transcriptions",
    **fields: str | list[str],
) -> httpx.Response:
    files = {"file": ("talk.wav", sound() if content is None else content)}
    return await person.client.post(path, data={"model": "whisper-1"} | fields, files=files, timeout=60)


async def ask_and_hear(person: Person, heard: Transcript = HEARD, **asked: Any) -> httpx.Response:
    """As with a worker that hears it."""
    before = await requests_of(person)
    asking = asyncio.create_task(ask(person, **asked))
    transcription_id = await newest_request(person, before, asking)
    await complete(person.installation, transcription_id, UUID(person.user_id), heard)
    return await asking


async def requests_of(person: Person) -> list[UUID]:
    rows = await person.installation.parts.read_models.fetch(
        "select stream_id from events where owner_id = $1 and type = 'TranscriptionRequested' order by seq",
        UUID(person.user_id),
    )
    return [UUID(row["stream_id"].partition("-")[2]) for row in rows]


async def newest_request(person: Person, before: list[UUID], asking: asyncio.Task[httpx.Response]) -> UUID:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (now := await requests_of(person)) == before:
            assert not asking.done(), asking.result().text
            await asyncio.sleep(0.01)
    return now[-1]


async def quota_of(person: Person) -> tuple[int, int, int]:
    body = (await person.client.get("/user/quota")).json()
    return body["quota_minutes_remaining"], body["quota_minutes_reserved"], body["quota_minutes_used"]


def refusal(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error object, if it is a whole one with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert str(UUID(answer.headers["X-Request-Id"])) == answer.headers["X-Request-Id"]
    body = answer.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return error


async def test_one_request_is_answered_with_the_text(anna: Person) -> None:
    answer = await ask_and_hear(anna)
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == "Hello world."
    assert answer.headers["X-Stenolog-Model"] == "scripted"
    assert await quota_of(anna) == (59, 0, 1)
    listed = (await anna.client.get("/transcriptions")).json()
    assert [each["transcription_id"] for each in listed] == [answer.headers["X-Stenolog-Transcription"]]


async def test_the_same_again_is_answered_from_what_there_is_in_any_format(
    installation: Installation, anna: Person
) -> None:
    first = await ask_and_hear(anna)
    before = await installation.events_of(anna.user_id)
    again = {each: await ask(anna, response_format=each) for each in ("text", "srt", "vtt", "verbose_json")}
    assert again["text"].text == "Hello world.\n"
    assert again["srt"].text.startswith("1\n00:00:00,000 --> ")
    assert again["vtt"].text.startswith("WEBVTT\n")
    assert again["verbose_json"].json()["model"] == "scripted"
    ids = {each.headers["X-Stenolog-Transcription"] for each in (first, *again.values())}
    assert len(ids) == 1
    assert await installation.events_of(anna.user_id) == before


async def test_another_language_prompt_or_task_is_other_work(
    installation: Installation, anna: Person
) -> None:
    answers = [
        await ask_and_hear(anna),
        await ask_and_hear(anna, language="de"),
        await ask_and_hear(anna, prompt="Minutes of the board."),
        await ask_and_hear(anna, path="/audio/translations"),
    ]
    assert len({each.headers["X-Stenolog-Transcription"] for each in answers}) == 4
    again = await ask(anna, prompt="Minutes  of the board.", response_format="text")
    assert again.headers["X-Stenolog-Transcription"] == answers[2].headers["X-Stenolog-Transcription"]


async def test_the_same_of_two_people_is_work_for_each(anna: Person, bert: Person) -> None:
    annas, berts = await ask_and_hear(anna), await ask_and_hear(bert)
    assert annas.headers["X-Stenolog-Transcription"] != berts.headers["X-Stenolog-Transcription"]


async def test_ten_at_once_are_one_transcription(installation: Installation, anna: Person) -> None:
    asking = [asyncio.create_task(ask(anna)) for _ in range(10)]
    transcription_id = await newest_request(anna, [], asking[0])
    async with asyncio.timeout(DEADLINE_SECONDS):
        while installation.parts.live.listener_count < 10:
            await asyncio.sleep(0.01)
    await complete(installation, transcription_id, UUID(anna.user_id), HEARD)
    answers = await asyncio.gather(*asking)
    assert {(each.status_code, each.json()["text"]) for each in answers} == {(200, "Hello world.")}
    events = await installation.events_of(anna.user_id)
    assert [events.count(each) for each in EVENTS_OF_WORK] == [1, 1, 1]
    assert await quota_of(anna) == (59, 0, 1)
    media = [path for path in installation.objects_of(anna.user_id) if "media" in path.parts]
    [file] = (await anna.client.get("/files")).json()
    assert [file["file_id"] in path.parts for path in media] == [True]


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_work_goes_on_when_the_client_hangs_up_and_the_same_again_finds_it(
    installation: Installation, anna: Person, stream: str
) -> None:
    async with serving_door(installation) as opened:
        wire = await Wire.to(opened.server)
        request = anna.client.build_request(
            "POST",
            "/audio/transcriptions",
            data={"model": "whisper-1", "stream": stream},
            files={"file": ("talk.wav", sound())},
        )
        head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: stenolog\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in request.headers.items() if name != "host"
        )
        await wire.says(head.encode() + b"\r\n" + request.read())
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not installation.parts.live.listener_count:
                await asyncio.sleep(0.01)
            wire.writer.close()
            while installation.parts.live.listener_count:
                await asyncio.sleep(0.01)
    [transcription_id] = await requests_of(anna)
    again = asyncio.create_task(ask(anna))
    await complete(installation, transcription_id, UUID(anna.user_id), HEARD)
    assert (await again).json()["text"] == "Hello world."
    assert await quota_of(anna) == (59, 0, 1)


async def test_what_failed_is_told_and_done_again_when_it_is_asked_for_again(
    installation: Installation, anna: Person
) -> None:
    asking = asyncio.create_task(ask(anna))
    transcription_id = await newest_request(anna, [], asking)
    await fail(installation, transcription_id, UUID(anna.user_id))
    answer = await asking
    assert refusal(answer, 422)["code"] == "not_transcribed"
    assert answer.headers["X-Should-Retry"] == "false"
    assert await quota_of(anna) == (60, 0, 0)
    again = asyncio.create_task(ask(anna))
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await quota_of(anna) != (59, 1, 0):
            await asyncio.sleep(0.01)
    again.cancel()
    assert await requests_of(anna) == [transcription_id, transcription_id]


async def test_a_recording_that_the_quota_does_not_allow_leaves_nothing(
    installation: Installation, anna: Person
) -> None:
    await spend(installation, UUID(anna.user_id), minutes=60)
    answer = await ask(anna)
    error = refusal(answer, 402)
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    assert answer.headers["X-Should-Retry"] == "false"
    events = await installation.events_of(anna.user_id)
    assert "FileUploaded" not in events
    assert installation.objects_of(anna.user_id) == []


async def test_a_stream_ends_with_the_whole_text(anna: Person) -> None:
    answer = await ask_and_hear(anna, stream="true")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    *deltas, done = [line for line in answer.text.split("\n\n") if line.startswith("data: ")]
    assert deltas == ['data: {"type":"transcript.text.delta","delta":"Hello world."}']
    assert '"text":"Hello world."' in done


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_who_waits_too_often_is_told_so_before_the_answer_begins(
    installation: Installation, anna: Person, stream: str
) -> None:
    with ExitStack() as listeners:
        for _ in range(installation.parts.live.limits.listeners_per_user):
            listeners.enter_context(installation.parts.live.follow(UUID(anna.user_id)))
        answer = await ask(anna, stream=stream)
    error = refusal(answer, 429)
    assert (error["type"], error["code"]) == ("rate_limit_error", "too_many_listeners")
    assert int(answer.headers["Retry-After"]) > 0
    assert "X-Should-Retry" not in answer.headers


@pytest.mark.parametrize(
    ("fields", "status", "code", "parameter"),
    [
        ({"temperature": "0.5"}, 400, "unsupported_parameter", "temperature"),
        ({"response_format": "diarized_json"}, 400, "unsupported_parameter", "response_format"),
        ({"hotwords": "Anna"}, 400, "unknown_parameter", "hotwords"),
        ({"known_speaker_names[]": "Anna"}, 400, "unsupported_parameter", "known_speaker_names"),
        ({"model": ""}, 400, "invalid_field", "model"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    anna: Person, fields: dict[str, Any], status: int, code: str, parameter: str
) -> None:
    answer = await ask(anna, **fields)
    error = refusal(answer, status)
    assert (error["code"], error["param"], error["type"]) == (code, parameter, "invalid_request_error")
    assert answer.headers["X-Should-Retry"] == "false"
    assert await anna.left_nothing()


async def test_what_is_no_recording_is_blamed_on_the_file(anna: Person) -> None:
    error = refusal(await ask(anna, b"no sound"), 400)
    assert (error["code"], error["param"]) == ("media_unreadable", "file")
    assert await anna.left_nothing()


async def test_a_recording_that_is_too_large_is_refused_in_the_same_words(anna: Person) -> None:
    error = refusal(await ask(anna, b"x" * (2 << 20)), 413)
    assert (error["code"], error["param"]) == ("upload_too_large", "file")


async def test_a_body_that_is_no_form_is_refused_in_the_same_words(anna: Person) -> None:
    answer = await anna.client.post("/audio/transcriptions", json={"model": "whisper-1"})
    assert refusal(answer, 400)["code"] == "malformed_upload"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/audio/transcriptions", 405),
        ("POST", "/audio/speech", 404),
        ("GET", "/audio", 404),
        ("DELETE", "/models", 405),
    ],
)
async def test_what_is_not_there_is_said_in_the_same_words(
    anna: Person, method: str, path: str, status: int
) -> None:
    answer = await anna.client.request(method, path)
    assert refusal(answer, status)["type"] == "invalid_request_error"
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/audio/transcriptions", "/audio/translations"])
async def test_strangers_are_told_so_in_the_same_words(installation: Installation, path: str) -> None:
    answer = await installation.client().post(path, headers={"Authorization": "Bearer sk-nobody"})
    error = refusal(answer, 401)
    assert (error["type"], error["code"]) == ("authentication_error", "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_models_are_listed_and_found_by_name(anna: Person) -> None:
    listed = (await anna.client.get("/models")).json()
    assert listed["object"] == "list"
    assert {each["id"] for each in listed["data"]} >= set(OPENAI_NAMES)
    one = await anna.client.get("/models/whisper-1")
    assert one.json() == {"id": "whisper-1", "object": "model", "created": 0, "owned_by": "stenolog"}
    assert (await anna.client.get("/models/gpt-4o-transcribe-2025-03-20")).status_code == 200
    answer = await anna.client.get("/models/owner/other")
    error = refusal(answer, 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


async def test_strangers_see_no_models(installation: Installation) -> None:
    refusal(await installation.client().get("/models"), 401)
