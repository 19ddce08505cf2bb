"""Listening to what was uploaded: whole, in ranges, and only one's own."""

import hashlib

import pytest

from tests.api.rig import Installation, Person, sound

WHOLE = sound()


@pytest.fixture
async def file(anna: Person) -> str:
    return await anna.has_file("talk é.wav")


async def test_a_recording_comes_back_as_it_was_uploaded(anna: Person, file: str) -> None:
    answer = await anna.client.get(f"/files/{file}/content")
    assert (answer.status_code, answer.content) == (200, WHOLE)
    told = {
        name: answer.headers[name]
        for name in ("content-type", "content-length", "accept-ranges", "cache-control")
    }
    assert told == {
        "content-type": "audio/wav",
        "content-length": str(len(WHOLE)),
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
    }
    assert answer.headers["etag"] == f'"{hashlib.sha256(WHOLE).hexdigest()}"'
    assert (
        answer.headers["content-disposition"]
        == "inline; filename=\"talk _.wav\"; filename*=UTF-8''talk%20%C3%A9.wav"
    )


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("bytes=44-143", 44, 144), ("bytes=-10", len(WHOLE) - 10, len(WHOLE))]
)
async def test_a_player_seeks(anna: Person, file: str, asked: str, start: int, end: int) -> None:
    answer = await anna.client.get(f"/files/{file}/content", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, WHOLE[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(WHOLE)}"
    assert answer.headers["content-length"] == str(end - start)


async def test_a_range_beyond_the_end_is_refused_with_the_length(anna: Person, file: str) -> None:
    answer = await anna.client.get(f"/files/{file}/content", headers={"Range": f"bytes={len(WHOLE)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(WHOLE)}"


async def test_who_has_it_gets_nothing_again(anna: Person, file: str) -> None:
    etag = (await anna.client.get(f"/files/{file}/content")).headers["etag"]
    answer = await anna.client.get(f"/files/{file}/content", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


async def test_a_range_of_another_recording_is_answered_with_the_whole(anna: Person, file: str) -> None:
    asked = {"Range": "bytes=0-9", "If-Range": '"other"'}
    answer = await anna.client.get(f"/files/{file}/content", headers=asked)
    assert (answer.status_code, len(answer.content)) == (200, len(WHOLE))


async def test_nobody_hears_somebody_elses_recording(anna: Person, bert: Person, file: str) -> None:
    assert (await bert.client.get(f"/files/{file}/content")).status_code == 403


async def test_a_recording_that_is_lost_is_a_problem_of_its_own(
    installation: Installation, anna: Person, file: str
) -> None:
    for each in installation.objects_of(anna.user_id):
        each.unlink()
    answer = await anna.client.get(f"/files/{file}/content")
    assert (answer.status_code, answer.json()["code"]) == (404, "media_missing")


async def test_while_the_store_is_away_a_player_is_told_to_come_back(
    installation: Installation, anna: Person, file: str
) -> None:
    aside = installation.objects.with_name("aside")
    installation.objects.rename(aside)
    try:
        answer = await anna.client.get(f"/files/{file}/content")
    finally:
        aside.rename(installation.objects)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert (await anna.client.get(f"/files/{file}/content")).status_code == 200


async def test_the_head_of_a_recording_is_told_without_reading_it(
    installation: Installation, anna: Person, file: str
) -> None:
    head = await anna.client.head(f"/files/{file}/content")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(WHOLE))
    part = await anna.client.head(f"/files/{file}/content", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"]) == (200, str(len(WHOLE)))
    [stored] = installation.objects_of(anna.user_id)
    stored.write_bytes(b"")
    assert (await anna.client.head(f"/files/{file}/content")).status_code == 200
    stored.unlink()
    assert (await anna.client.head(f"/files/{file}/content")).status_code == 404
