"""A plain query is answered on a shorter way than others, and in the same words."""

from uuid import UUID, uuid4

import httpx
import pytest

from tests.api.rig import Person

LONGER_WAY = "?way=longer"
"""A query string that no route knows."""


async def everything_of(person: Person) -> list[str]:
    """Paths of what somebody has, each of which a plain query can ask for."""
    done = await person.has_transcript()
    file_id = await person.has_file("queued.wav")
    queued = (await person.client.post("/transcriptions", json={"file_id": file_id})).json()[
        "transcription_id"
    ]
    return [
        "/user/quota",
        "/files",
        f"/files/{file_id}",
        "/transcriptions",
        f"/transcriptions/{done}",
        f"/transcriptions/{queued}",
    ]


def said(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """All of it but what is new with each."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, headers, answer.content.replace(answer.headers["x-request-id"].encode(), b"")


async def test_both_ways_say_the_same(anna: Person) -> None:
    for path in await everything_of(anna):
        plain, other = await anna.client.get(path), await anna.client.get(path + LONGER_WAY)
        assert plain.status_code == 200
        assert said(plain) == said(other)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer  ", "Basic abc", "Bearer not-a-token", "Bearer steno_not-a-key", "x"],
)
async def test_both_ways_refuse_a_caller_in_the_same_words(anna: Person, header: str | None) -> None:
    del anna.client.headers["Authorization"]
    headers = {} if header is None else {"Authorization": header}
    for path in ("/user/quota", f"/files/{UUID(int=1)}"):
        plain = await anna.client.get(path, headers=headers)
        other = await anna.client.get(path + LONGER_WAY, headers=headers)
        challenge = 'Bearer error="invalid_token"' if header and "not-a" in header else "Bearer"
        assert (plain.status_code, plain.headers["WWW-Authenticate"]) == (401, challenge)
        assert said(plain) == said(other)


@pytest.mark.parametrize("kind", ["files", "transcriptions"])
async def test_both_ways_refuse_what_is_not_the_callers_in_the_same_words(
    anna: Person, bert: Person, kind: str
) -> None:
    theirs = (await everything_of(bert))[2 if kind == "files" else 4]
    for path, status in ((theirs, 403), (f"/{kind}/{uuid4()}", 404), (f"/{kind}/no-id", 400)):
        plain, other = await anna.client.get(path), await anna.client.get(path + LONGER_WAY)
        assert plain.status_code == status
        assert said(plain) == said(other)


@pytest.mark.parametrize("token", ["0:1", "abc", "9999:1"])
async def test_both_ways_take_a_consistency_token(anna: Person, token: str) -> None:
    headers = {"Consistency-Token": token}
    plain = await anna.client.get("/files", headers=headers)
    other = await anna.client.get("/files" + LONGER_WAY, headers=headers)
    assert said(plain) == said(other)


async def test_the_head_of_a_plain_answer_is_that_of_the_whole(anna: Person) -> None:
    whole, head = await anna.client.get("/user/quota"), await anna.client.head("/user/quota")
    assert (head.status_code, head.content) == (200, b"")
    assert said(head)[1] == said(whole)[1]


async def test_an_id_in_other_spellings_is_found_all_the_same(anna: Person) -> None:
    path = (await everything_of(anna))[2]
    file_id = path.rpartition("/")[2]
    spellings = [file_id.upper(), file_id.replace("-", "")]
    answers = [await anna.client.get(f"/files/{each}") for each in spellings]
    assert [answer.json()["file_id"] for answer in answers] == [file_id, file_id]


async def test_who_has_an_answer_gets_nothing_again_either_way(anna: Person) -> None:
    for path in await everything_of(anna):
        whole = await anna.client.get(path)
        etag = whole.headers["ETag"]
        assert etag.startswith('W/"')
        for known in (etag, f'"other", {etag}', "*"):
            headers = {"If-None-Match": known}
            plain = await anna.client.get(path, headers=headers)
            other = await anna.client.get(path + LONGER_WAY, headers=headers)
            assert (plain.status_code, plain.content, plain.headers["ETag"]) == (304, b"", etag)
            assert said(plain) == said(other)
        for unknown in ('"other"', "", etag.removeprefix("W/").strip('"')):
            answer = await anna.client.get(path, headers={"If-None-Match": unknown})
            assert (answer.status_code, answer.content) == (200, whole.content)


async def test_an_answer_that_has_changed_is_sent_again(anna: Person) -> None:
    etag = (await anna.client.get("/files")).headers["ETag"]
    await anna.has_file()
    answer = await anna.client.get("/files", headers={"If-None-Match": etag})
    assert (answer.status_code, len(answer.json())) == (200, 1)
    assert answer.headers["ETag"] != etag


async def test_the_head_of_a_recording_and_of_an_export_is_that_of_the_whole(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    file_id = (await anna.client.get("/files")).json()[0]["file_id"]
    for path in (
        f"/files/{file_id}/content",
        f"/transcriptions/{transcription_id}/export?format=srt",
        f"/transcriptions/{transcription_id}/transcript",
        "/files",
        f"/transcriptions/{transcription_id}",
    ):
        whole, head = await anna.client.get(path), await anna.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert said(head)[1] == said(whole)[1]
