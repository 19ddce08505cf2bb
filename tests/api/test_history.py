"""A transcription's history is its owner's, whole, in order, and says nothing about workers or words."""

from uuid import UUID, uuid4

import pytest

from api.history import entry_of
from domain.attempts import WORKER_STOPPED
from domain.transcription_events import TranscriptionEvent
from tests.api.rig import Installation, Person, fail
from tests.builders import (
    WORKER,
    alignment_ended,
    alignment_started,
    attempt_failed,
    cancelled,
    completed,
    edited,
    failed,
    requested,
    started,
    transcript_aligned,
)


async def test_the_history_tells_what_happened_oldest_first(anna: Person) -> None:
    transcription_id = await anna.has_transcript()
    await anna.client.put(
        f"/transcriptions/{transcription_id}/text", json={"transcript_text": "Hello you."}
    )
    answer = await anna.client.get(f"/transcriptions/{transcription_id}/history")
    assert answer.status_code == 200
    assert [each["what"] for each in answer.json()] == ["requested", "started", "completed", "edited"]
    assert answer.json()[0]["minutes"] == 1
    assert (answer.json()[3]["revision"], answer.json()[3]["word_count"]) == (2, 2)
    assert "Link" not in answer.headers


async def test_the_history_has_what_was_done_just_before_without_a_wait(anna: Person) -> None:
    transcription_id = await anna.has_requested()
    await anna.client.post(
        f"/transcriptions/{transcription_id}/cancel", headers={"Prefer": "respond-async"}
    )
    answer = await anna.client.get(f"/transcriptions/{transcription_id}/history")
    assert answer.json()[-1]["what"] == "cancelled"


async def test_pages_follow_their_links_and_have_everything_once(
    installation: Installation, anna: Person
) -> None:
    transcription_id = await anna.has_requested()
    await fail(installation, UUID(transcription_id), UUID(anna.user_id))
    path = f"/transcriptions/{transcription_id}/history"
    whole = (await anna.client.get(path)).json()
    seen, link = [], f"{path}?limit=1"
    while link:
        answer = await anna.client.get(link.removeprefix("/v1"))
        assert len(answer.json()) == 1
        seen += answer.json()
        link = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == whole
    assert [each["what"] for each in whole][-1] == "failed"


async def test_nothing_in_it_names_a_worker_or_says_what_was_asked_for_in_words(anna: Person) -> None:
    file_id = await anna.has_file("secret name.wav")
    answer = await anna.client.post("/transcriptions", json={"file_id": file_id, "prompt": "Ærø"})
    transcription_id = answer.json()["transcription_id"]
    told = (await anna.client.get(f"/transcriptions/{transcription_id}/history")).text
    for secret in (str(WORKER), "secret name", "Ærø", "media/"):
        assert secret not in told


async def test_the_history_of_another_is_refused_and_one_of_nobody_is_not_found(
    installation: Installation, anna: Person
) -> None:
    transcription_id = await anna.has_requested()
    bert = await Person.arrives(installation)
    assert (await bert.client.get(f"/transcriptions/{transcription_id}/history")).status_code == 403
    assert (await anna.client.get(f"/transcriptions/{uuid4()}/history")).status_code == 404
    assert (
        await installation.client().get(f"/transcriptions/{transcription_id}/history")
    ).status_code == 401


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "", "٣", "1" * 30])
async def test_a_cursor_of_no_page_is_refused(anna: Person, cursor: str) -> None:
    transcription_id = await anna.has_requested()
    answer = await anna.client.get(f"/transcriptions/{transcription_id}/history", params={"cursor": cursor})
    assert answer.status_code == 400
    assert "take it from a Link header" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (requested(), "requested"),
        (started(), "started"),
        (attempt_failed(), "attempt_failed"),
        (attempt_failed(reason=WORKER_STOPPED), "handed_back"),
        (completed(), "completed"),
        (failed(), "failed"),
        (cancelled(), "cancelled"),
        (edited(), "edited"),
        (edited(restored_revision=1), "restored"),
        (alignment_started(), "alignment_started"),
        (alignment_ended(), "alignment_ended"),
        (transcript_aligned(), "aligned"),
    ],
)
def test_every_event_has_words(event: TranscriptionEvent, what: str) -> None:
    entry = entry_of(event)
    assert entry.what == what
    assert str(WORKER) not in entry.message
