"""`GET /v1/search`: what the route answers, and what it refuses."""

from urllib.parse import urlencode

import pytest

from tests.api.rig import Installation, Person
from tests.projections.running import until


async def finds(person: Person, text: str) -> list[dict[str, object]]:
    answer = await person.client.get("/search", params={"q": text})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()
    return found


async def until_found(person: Person, text: str, count: int = 1) -> list[dict[str, object]]:
    async def is_found() -> bool:
        return len(await finds(person, text)) == count

    await until(is_found)
    return await finds(person, text)


async def test_what_was_said_is_found_with_the_time_to_jump_to(anna: Person) -> None:
    transcription_id = await anna.has_transcript("my talk.wav")
    [found] = await until_found(anna, "WORLD")
    file_id = (await anna.client.get(f"/transcriptions/{transcription_id}")).json()["file_id"]
    assert found == {
        "transcription_id": transcription_id,
        "file_id": file_id,
        "filename": "my talk.wav",
        "passages": 1,
        "snippets": [
            {
                "start_ms": 500,
                "parts": [
                    {"text": "Hello ", "match": False},
                    {"text": "world", "match": True},
                    {"text": ".", "match": False},
                ],
            }
        ],
    }


async def test_an_edited_text_is_found_and_what_was_heard_is_not(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    await until_found(anna, "world")
    edit = {"transcript_text": "Hello marmalade."}
    await anna.client.put(f"/transcriptions/{transcription_id}/text", json=edit)
    assert await finds(anna, "world") == []
    await until_found(anna, "marmalade")


async def test_deleted_transcripts_are_not_found_and_those_of_deleted_files_have_no_name(
    anna: Person,
) -> None:
    transcription_id = await anna.has_transcript()
    await until_found(anna, "hello")
    file_id = (await anna.client.get(f"/transcriptions/{transcription_id}")).json()["file_id"]
    await anna.client.delete(f"/files/{file_id}")
    [found] = await finds(anna, "hello")
    assert (found["file_id"], found["filename"]) == (file_id, None)
    await anna.client.delete(f"/transcriptions/{transcription_id}")
    assert await finds(anna, "hello") == []


async def test_pages_are_linked_and_keep_the_question(anna: Person) -> None:
    expected = {await anna.has_transcript(f"talk {number}.wav") for number in range(3)}
    await until_found(anna, '"hello world"', 3)
    path = "/search?" + urlencode({"q": '"hello world"', "limit": 1})
    seen = []
    while path:
        answer = await anna.client.get(path)
        seen += [each["transcription_id"] for each in answer.json()]
        path = answer.links.get("next", {}).get("url", "").removeprefix("/v1")
    assert (len(seen), set(seen)) == (3, expected)


async def test_nobody_finds_what_another_said(anna: Person, bert: Person) -> None:
    await anna.has_transcript()
    await until_found(anna, "hello")
    assert await finds(bert, "hello") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": " \t"}, "q"),
        ({"q": "-&|!()"}, "q"),
        ({"q": "x" * 201}, "q"),
        ({"q": "x " * 17}, "q"),
        ({"q": "x", "limit": "0"}, "limit"),
        ({"q": "x", "limit": "51"}, "limit"),
        ({"q": "x", "cursor": "nonsense"}, "cursor"),
    ],
)
async def test_what_nobody_can_look_for_is_refused(anna: Person, query: dict[str, str], field: str) -> None:
    answer = await anna.client.get("/search", params=query)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize(
    "text", ["a\0b", "\ud7ff\ufffe", "'; drop table x", "\\", '"', "a" * 200, "会" * 200, "-x", "or", "%"]
)
async def test_odd_questions_find_nothing_and_break_nothing(anna: Person, text: str) -> None:
    answer = await anna.client.get("/search", params={"q": text})
    assert answer.status_code in (200, 400)


async def test_it_takes_a_token(installation: Installation) -> None:
    assert (await installation.client().get("/search?q=x")).status_code == 401
