"""Deleting recordings and transcriptions: gone from every list at once, and the same recording may come again."""

import asyncio
import io
import zipfile
from uuid import uuid4

import pytest

from tests.api.rig import HEARD, Installation, Person, sound


async def file_of(person: Person, transcription_id: str) -> str:
    answer = await person.client.get(f"/transcriptions/{transcription_id}")
    return str(answer.json()["file_id"])


async def test_a_deleted_file_is_in_no_list_and_answers_nothing(anna: Person) -> None:
    file_id, other = await anna.has_file("talk.wav"), await anna.has_file("other.wav")
    answer = await anna.client.delete(f"/files/{file_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Consistency-Token"]
    assert [each["file_id"] for each in (await anna.client.get("/files")).json()] == [other]
    for path in (f"/files/{file_id}", f"/files/{file_id}/content"):
        answer = await anna.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")


async def test_deleting_again_changes_nothing(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    for path in (
        f"/transcriptions/{transcription_id}",
        f"/files/{await file_of(anna, transcription_id)}",
    ):
        assert [(await anna.client.delete(path)).status_code for _ in range(2)] == [204, 204]
    events = await anna.installation.events_of(anna.user_id)
    assert (events.count("FileDeleted"), events.count("TranscriptionDeleted")) == (1, 1)


async def test_a_transcript_stays_when_its_recording_goes(anna: Person) -> None:
    transcription_id = await anna.has_transcript("a talk.wav")
    file_id = await file_of(anna, transcription_id)
    assert (await anna.client.delete(f"/files/{file_id}?transcript=keep")).status_code == 204
    shown = (await anna.client.get(f"/transcriptions/{transcription_id}")).json()
    assert shown["transcript_text"] == HEARD.text
    listed = (await anna.client.get("/transcriptions")).json()
    assert [each["transcription_id"] for each in listed] == [transcription_id]
    exported = await anna.client.get(f"/transcriptions/{transcription_id}/export?format=txt")
    assert exported.headers["content-disposition"].startswith('attachment; filename="transcript.txt"')
    edited = await anna.client.put(
        f"/transcriptions/{transcription_id}/text", json={"transcript_text": "Goodbye world."}
    )
    assert edited.status_code == 200


async def test_a_transcript_goes_with_its_recording_where_that_is_asked_for(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    file_id = await file_of(anna, transcription_id)
    assert (await anna.client.delete(f"/files/{file_id}?transcript=delete")).status_code == 204
    assert (await anna.client.get("/transcriptions")).json() == []
    for path in ("", "/transcript", "/export?format=txt", "/history"):
        answer = await anna.client.get(f"/transcriptions/{transcription_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "transcription_not_found")


async def test_a_recording_stays_when_its_transcription_goes(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    file_id = await file_of(anna, transcription_id)
    assert (await anna.client.delete(f"/transcriptions/{transcription_id}")).status_code == 204
    shown = (await anna.client.get(f"/files/{file_id}")).json()
    assert (shown["transcription_id"], shown["transcription_status"]) == (None, "not_initiated")
    answer = await anna.client.post("/transcriptions", json={"file_id": file_id})
    assert (answer.status_code, answer.json()["code"]) == (409, "transcription_deleted")


async def test_what_is_being_transcribed_is_to_be_cancelled_first(anna: Person) -> None:
    transcription_id = await anna.has_requested()
    file_id = await file_of(anna, transcription_id)
    for path in (
        f"/files/{file_id}",
        f"/files/{file_id}?transcript=delete",
        f"/transcriptions/{transcription_id}",
    ):
        answer = await anna.client.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (409, "transcription_not_deletable")
        assert answer.json()["transcription_id"] == transcription_id
        assert "cancel it first" in answer.json()["detail"]
    await anna.client.post(f"/transcriptions/{transcription_id}/cancel")
    assert (await anna.client.delete(f"/files/{file_id}?transcript=delete")).status_code == 204


async def test_the_same_recording_may_be_uploaded_again(anna: Person) -> None:
    file_id = await anna.has_file()
    await anna.client.delete(f"/files/{file_id}")
    again = await anna.has_file()
    assert again != file_id
    assert (await anna.client.get(f"/files/{again}/content")).content == sound()
    assert (await anna.client.post("/transcriptions", json={"file_id": again})).status_code == 202
    assert (await anna.client.get(f"/files/{file_id}")).status_code == 404


async def test_nobody_deletes_what_is_another_users(anna: Person, bert: Person) -> None:
    transcription_id = await anna.has_transcript()
    file_id = await file_of(anna, transcription_id)
    for path in (f"/files/{file_id}", f"/transcriptions/{transcription_id}"):
        assert (await bert.client.delete(path)).status_code == 403
        assert (await anna.client.get(path)).status_code == 200
    for kind in ("files", "transcriptions"):
        assert (await anna.client.delete(f"/{kind}/{uuid4()}")).status_code == 404


@pytest.mark.parametrize("query", ["transcript=burn", "transcript=", "transcript=Delete"])
async def test_a_fate_that_nobody_knows_deletes_nothing(anna: Person, query: str) -> None:
    file_id = await anna.has_file()
    answer = await anna.client.delete(f"/files/{file_id}?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, "transcript")
    assert (await anna.client.get(f"/files/{file_id}")).status_code == 200


async def test_without_a_token_nothing_is_deleted(installation: Installation, anna: Person) -> None:
    file_id = await anna.has_file()
    assert (await installation.client().delete(f"/files/{file_id}")).status_code == 401
    assert (await installation.client().delete(f"/transcriptions/{uuid4()}")).status_code == 401


async def test_many_who_delete_at_once_delete_once(anna: Person) -> None:
    file_id = await anna.has_file()
    answers = await asyncio.gather(*(anna.client.delete(f"/files/{file_id}") for _ in range(40)))
    assert {answer.status_code for answer in answers} == {204}
    assert (await anna.installation.events_of(anna.user_id)).count("FileDeleted") == 1


async def test_an_export_of_a_person_has_the_transcript_whose_recording_is_gone(anna: Person) -> None:
    transcription_id = await anna.has_transcript("a talk.wav")
    file_id = await file_of(anna, transcription_id)
    await anna.client.delete(f"/files/{file_id}")
    answer = await anna.client.get("/auth/me/export")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    formats = ("txt", "srt", "vtt", "json")
    assert set(archive.namelist()) == {
        "events.ndjson",
        "profile.json",
        *(f"transcripts/{file_id}/transcript.{each}" for each in formats),
    }
    await anna.client.delete(f"/transcriptions/{transcription_id}")
    answer = await anna.client.get("/auth/me/export")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert set(archive.namelist()) == {"events.ndjson", "profile.json"}
