"""A transcript whose object is lost takes its text with it, and nothing else."""

from pathlib import Path

import pytest

from tests.api.rig import Installation, Person


@pytest.fixture
async def lost(installation: Installation, anna: Person) -> str:
    """A transcription whose object was deleted by somebody who should not have."""
    transcription_id = await anna.has_transcript()
    for file in transcripts_of(installation, anna):
        file.unlink()
    return transcription_id


def transcripts_of(installation: Installation, person: Person) -> list[Path]:
    files = [file for file in installation.objects_of(person.user_id) if "transcript" in str(file)]
    assert files
    return files


async def test_its_status_and_facts_remain(anna: Person, lost: str) -> None:
    answer = await anna.client.get(f"/transcriptions/{lost}")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["word_count"], body["language"]) == ("completed", 2, "en")
    assert "transcript_text" not in body


@pytest.mark.parametrize("path", ["transcript", "export?format=txt", "export?format=srt"])
async def test_what_needs_it_is_a_problem_of_its_own(anna: Person, lost: str, path: str) -> None:
    answer = await anna.client.get(f"/transcriptions/{lost}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "transcript_missing")


async def test_it_cannot_be_edited(installation: Installation, anna: Person, lost: str) -> None:
    edit = {"transcript_text": "Hello."}
    answer = await anna.client.put(f"/transcriptions/{lost}/text", json=edit)
    assert (answer.status_code, answer.json()["code"]) == (404, "transcript_missing")
    assert "TranscriptEdited" not in await installation.events_of(anna.user_id)


async def test_a_damaged_one_is_lost_as_well(installation: Installation, anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    for file in transcripts_of(installation, anna):
        file.write_bytes(file.read_bytes()[:-20])
    assert (await anna.client.get(f"/transcriptions/{transcription_id}")).status_code == 200
    for path in ("transcript", "export"):
        answer = await anna.client.get(f"/transcriptions/{transcription_id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "transcript_missing")
    edit = {"transcript_text": "Hello."}
    answer = await anna.client.put(f"/transcriptions/{transcription_id}/text", json=edit)
    assert (answer.status_code, answer.json()["code"]) == (404, "transcript_missing")


async def test_while_the_store_is_away_a_client_is_told_to_come_back(
    installation: Installation, anna: Person
) -> None:
    transcription_id = await anna.has_transcript()
    queued_id = await anna.has_requested()
    aside = installation.objects.with_name("aside")
    installation.objects.rename(aside)
    try:
        answer = await anna.client.get(f"/transcriptions/{transcription_id}")
        queued = await anna.client.get(f"/transcriptions/{queued_id}")
    finally:
        aside.rename(installation.objects)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert queued.status_code == 200
    assert (await anna.client.get(f"/transcriptions/{transcription_id}")).json()["transcript_text"]
