"""Lists of what one asks for: by state, time and file name, page by page."""

import unicodedata
from urllib.parse import urlencode
from uuid import UUID

import pytest

from tests.api.rig import PASSWORD, Person, fail


async def names(person: Person, **query: object) -> list[str]:
    answer = await person.client.get("/files?" + urlencode(query, doseq=True))
    assert answer.status_code == 200, answer.text
    return [each["filename"] for each in answer.json()]


async def ids(person: Person, **query: object) -> list[str]:
    answer = await person.client.get("/transcriptions?" + urlencode(query, doseq=True))
    assert answer.status_code == 200, answer.text
    return [each["transcription_id"] for each in answer.json()]


async def test_a_list_of_files_is_of_those_in_a_state(anna: Person) -> None:
    await anna.has_transcript("done.wav")
    await anna.has_requested("queued.wav")
    await anna.has_file("new.wav")
    assert await names(anna, status="completed") == ["done.wav"]
    assert await names(anna, status="not_initiated") == ["new.wav"]
    assert await names(anna, status=["completed", "queued"]) == ["queued.wav", "done.wav"]
    assert await names(anna, status="failed") == []


async def test_a_list_of_transcriptions_is_of_those_in_a_state(anna: Person) -> None:
    done, queued = await anna.has_transcript(), await anna.has_requested()
    failed = await anna.has_requested()
    await fail(anna.installation, UUID(failed), UUID(anna.user_id))
    assert await ids(anna, status="completed") == [done]
    assert await ids(anna, status=["queued", "failed"]) == [failed, queued]


async def test_a_list_is_of_what_was_made_after_and_before_a_moment(anna: Person) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        await anna.has_requested(name)
    moments = {each["filename"]: each["upload_date"] for each in (await anna.client.get("/files")).json()}
    assert await names(anna, created_after=moments["a.wav"]) == ["c.wav", "b.wav"]
    assert await names(anna, created_before=moments["c.wav"]) == ["b.wav", "a.wav"]
    between = {"created_after": moments["a.wav"], "created_before": moments["c.wav"]}
    assert await names(anna, **between) == ["b.wav"]
    elsewhere = {name: moment.replace("Z", "+00:00") for name, moment in between.items()}
    assert await names(anna, **elsewhere) == ["b.wav"]
    listed = (await anna.client.get("/transcriptions")).json()
    oldest = listed[-1]["created_at"]
    assert await ids(anna, created_after=oldest) == [each["transcription_id"] for each in listed[:2]]


async def test_a_list_is_of_recordings_with_some_text_in_their_name(anna: Person, bert: Person) -> None:
    talk = await anna.has_requested("Ærøs Tale 100%.wav")
    await anna.has_requested("other_file.wav")
    await bert.has_requested("tale.wav")
    assert await names(anna, filename="ÆRØS tale") == ["Ærøs Tale 100%.wav"]
    assert await names(anna, filename="100%.") == ["Ærøs Tale 100%.wav"]
    assert await names(anna, filename="_") == ["other_file.wav"]
    assert await names(anna, filename="%") == ["Ærøs Tale 100%.wav"]
    assert await names(anna, filename="nothing") == []
    assert await ids(anna, filename="tale") == [talk]


async def test_a_name_is_found_in_whichever_form_its_letters_were_written(anna: Person) -> None:
    decomposed = unicodedata.normalize("NFD", "Präsentation.wav")
    await anna.has_file(decomposed)
    for form in ("NFC", "NFD"):
        assert await names(anna, filename=unicodedata.normalize(form, "präsent")) == [decomposed]


async def test_pages_go_on_with_what_was_asked_for(anna: Person) -> None:
    for number in range(3):
        await anna.has_requested(f"talk & {number}.wav")
        await anna.has_file(f"other {number}.wav")
    asked = {"status": ["queued", "failed"], "filename": "talk &", "created_after": "2001-01-01T00:00:00Z"}
    for kind, field in (("files", "file_id"), ("transcriptions", "transcription_id")):
        path, seen = f"/{kind}?" + urlencode({**asked, "limit": 1}, doseq=True), []
        while path:
            answer = await anna.client.get(path)
            seen += [each[field] for each in answer.json()]
            path = answer.links.get("next", {}).get("url", "").removeprefix("/v1")
        assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize("kind", ["files", "transcriptions"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("status=", "status"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-11-27T10:00:00", "created_after"),
        ("created_before=0001-01-01T00:00:00%2B23:59", "created_before"),
        ("created_before=9999-12-31T23:59:59-23:59", "created_before"),
        ("filename=", "filename"),
        ("filename=" + "x" * 256, "filename"),
        ("filename=a%00b", "filename"),
    ],
)
async def test_what_nobody_can_ask_for_is_refused(anna: Person, kind: str, query: str, field: str) -> None:
    answer = await anna.client.get(f"/{kind}?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize("said", ["2026-11-27", "2026-11-27T10:00:00+01:00"])
async def test_who_writes_a_moment_in_another_way_is_shown_how(anna: Person, said: str) -> None:
    """A plus that is not escaped is a space."""
    answer = await anna.client.get(f"/files?created_after={said}")
    assert answer.status_code == 400
    assert "as in 2026-11-27T10:00:00Z (in an address a + is written %2B)" in answer.json()["detail"]


async def test_who_leaves_is_told_so(anna: Person) -> None:
    await anna.client.request("DELETE", "/auth/me", json={"password": PASSWORD})
    for kind in ("files", "transcriptions"):
        assert (await anna.client.get(f"/{kind}?filename=x")).status_code == 410
