"""Everything of a person as one file: whole, theirs alone, and opened with what everybody has."""

import asyncio
import io
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from api.export_room import ExportRoom, ExportUnderWay
from api.rejections import Overloaded
from tests.api.rig import HEARD, PASSWORD, Installation, Person, sound
from tests.api.wire import Wire, listening
from tests.projections.running import until

RECORDINGS = 16
"""Of a megabyte each, more than lies between a server and a client who does not read."""
ANNA, BERT, CARL = UUID(int=1), UUID(int=2), UUID(int=3)


async def exports(person: Person) -> zipfile.ZipFile:
    answer = await person.client.get("/auth/me/export")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


async def test_an_export_holds_all_that_is_somebodys(anna: Person) -> None:
    transcription_id = await anna.has_transcript("Ærøs tale.wav")
    second = await anna.has_file("Ærøs tale.wav")
    archive = await exports(anna)
    first = (await anna.client.get("/files")).json()[1]["file_id"]
    formats = ("txt", "srt", "vtt", "json")
    assert set(archive.namelist()) == {
        "events.ndjson",
        "profile.json",
        f"recordings/{first}/Ærøs tale.wav",
        f"recordings/{second}/Ærøs tale.wav",
        *(f"transcripts/{first}/Ærøs tale.{each}" for each in formats),
    }
    assert archive.read(f"recordings/{first}/Ærøs tale.wav") == sound()
    assert archive.read(f"transcripts/{first}/Ærøs tale.txt").decode() == HEARD.text
    answer = await anna.client.get(f"/transcriptions/{transcription_id}/export?format=srt")
    assert archive.read(f"transcripts/{first}/Ærøs tale.srt").decode() == answer.text


async def test_a_name_is_no_longer_than_a_folder_takes_it(anna: Person, tmp_path: Path) -> None:
    """Recorders of Japanese television write such names."""
    await anna.has_transcript("番" * 250 + ".wav")
    archive = await exports(anna)
    archive.extractall(tmp_path)
    names = {path.name for path in tmp_path.rglob("番*")}
    assert names == {"番" * 78 + ending for ending in (".wav", ".txt", ".srt", ".vtt", ".json")}


async def test_the_events_are_all_there_in_order_and_readable(anna: Person) -> None:
    await anna.has_transcript("talk.wav")
    archive = await exports(anna)
    lines = [msgspec.json.decode(line) for line in archive.read("events.ndjson").splitlines()]
    assert [line["type"] for line in lines] == await anna.installation.events_of(anna.user_id)
    assert lines[0]["data"]["email"] == anna.email
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)
    profile = msgspec.json.decode(archive.read("profile.json"))
    assert (profile["id"], profile["email"]) == (anna.user_id, anna.email)
    assert profile["exported_until"] == f"{lines[-1]['partition']}:{lines[-1]['seq']}"
    quota = (await anna.client.get("/user/quota")).json()
    assert {name: profile[name] for name in quota} == quota


async def test_nothing_of_others_is_in_it(anna: Person, bert: Person) -> None:
    await bert.has_transcript("a talk of Bert.wav")
    await anna.has_file()
    content = (await anna.client.get("/auth/me/export")).content
    archive = zipfile.ZipFile(io.BytesIO(content))
    whole = b"".join(archive.read(name) for name in archive.namelist()) + content
    for word in (bert.user_id, bert.email, "Bert.wav"):
        assert word.encode() not in whole


async def test_what_is_lost_is_named(anna: Person) -> None:
    await anna.has_transcript("talk.wav")
    for path in anna.installation.objects_of(anna.user_id):
        path.unlink()
    anna.installation.parts.texts._kept.clear()
    archive = await exports(anna)
    missing = archive.read("missing.txt").decode().splitlines()
    assert len(missing) == 5
    assert len(archive.namelist()) == 3


async def test_a_file_that_breaks_off_in_an_erasure_does_not_look_whole(anna: Person) -> None:
    await anna.has_file()
    answer = await anna.client.request("DELETE", "/auth/me", json={"password": PASSWORD})
    assert answer.status_code == 202
    assert (await anna.client.get("/auth/me/export")).status_code == 410


async def test_one_that_breaks_off_since_its_person_leaves_is_no_error_of_ours(anna: Person) -> None:
    """Nobody who looks after the system has anything to mend; that none is logged is looked at after every test."""
    await anna.has_file()
    sent = list[Any]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def send_and_leave(message: Any) -> None:
            sent.append(message)
            if len(sent) == 2:
                await anna.client.request("DELETE", "/auth/me", json={"password": PASSWORD})
            await send(message)

        await anna.installation.app(scope, receive, send_and_leave)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
        with pytest.raises(AssertionError):  # It has no end.
            await client.get("http://stenolog/v1/auth/me/export", headers=anna.client.headers)
    assert sent[-1]["more_body"]


async def test_a_place_is_given_back_after_the_answer(installation: Installation, anna: Person) -> None:
    await anna.has_file()
    for _ in range(6):
        await exports(anna)
    room = installation.parts.export_room

    async def is_empty() -> bool:
        return not room._users

    await until(is_empty)


async def test_many_who_ask_at_once_have_an_answer_each(anna: Person) -> None:
    await anna.has_file()
    answers: list[httpx.Response] = await asyncio.gather(
        *(anna.client.get("/auth/me/export") for _ in range(20))
    )
    statuses = [answer.status_code for answer in answers]
    assert 200 in statuses
    assert set(statuses) <= {200, 429}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 429)


async def test_it_takes_a_token(installation: Installation) -> None:
    assert (await installation.client().get("/auth/me/export")).status_code == 401


async def test_its_head_packs_nothing_and_takes_no_place(anna: Person) -> None:
    await anna.has_file()
    room, places = anna.installation.parts.export_room, list[set[UUID]]()

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def send_watched(message: Any) -> None:
            places.append(set(room._users))
            await send(message)

        await anna.installation.app(scope, receive, send_watched)

    transport = httpx.ASGITransport(app=watched)
    async with httpx.AsyncClient(transport=transport, headers=anna.client.headers) as client:
        answer = await client.head("http://stenolog/v1/auth/me/export")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (
        200,
        "application/zip",
        b"",
    )
    assert [*places] == [set()] * len(places)
    assert places


def test_each_has_one_export_at_a_time_and_all_together_have_few() -> None:
    room = ExportRoom(2)
    room.take(ANNA)
    with pytest.raises(ExportUnderWay):
        room.take(ANNA)
    room.take(BERT)
    with pytest.raises(Overloaded):
        room.take(CARL)
    room.leave(ANNA)
    room.leave(ANNA)
    room.take(CARL)


async def test_a_client_that_hangs_up_leaves_nothing_behind(anna: Person) -> None:
    for number in range(RECORDINGS):
        await anna.uploads(sound(60.0, level=number))
    room = anna.installation.parts.export_room
    async with listening(_without_lifespan(anna.installation.app)) as server:
        wire = await Wire.to(server)
        token = anna.client.headers["Authorization"]
        await wire.says(
            f"GET /v1/auth/me/export HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\r\n".encode()
        )
        assert (await wire.reader.read(1000)).startswith(b"HTTP/1.1 200 ")
        assert room._users == {UUID(anna.user_id)}
        wire.hangs_up()

        async def is_empty() -> bool:
            return not room._users

        await until(is_empty)


def _without_lifespan(app: Any) -> Any:
    """The installation's own is running."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for moment in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{moment}.complete"})

    return serve
