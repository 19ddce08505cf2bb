"""What each event does to each read model, without a database."""

import json
from collections.abc import Iterable
from functools import reduce
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.api_keys import ApiKeyCreated, ApiKeyRevoked
from domain.events import Event
from domain.instructions import Instructions
from domain.transcript import MediaWarning
from projections.files import FILES
from projections.models import READ_MODELS
from projections.projection import Projection
from projections.quota import QUOTA
from projections.transcriptions import TRANSCRIPTIONS, TranscriptionRow
from projections.users import USERS
from schemas.events import REGISTRY, decode, encode
from tests.builders import (
    ANNA,
    FILE,
    LATER,
    NOON,
    TRANSCRIPTION,
    WORKER,
    alignment_ended,
    alignment_started,
    attempt_failed,
    cancelled,
    completed,
    debited,
    edited,
    failed,
    granted,
    registered,
    released,
    requested,
    reserved,
    result,
    started,
    transcript_aligned,
    uploaded,
)

Row = TypeVar("Row", bound=Struct)


def folded(projection: Projection[Row], *events: Event) -> Row:
    news: Iterable[Event] = (event for event in events if type(event) in projection.keys)
    row = reduce(projection.project, news, None)
    assert row is not None
    return row


def transcription(*events: Event) -> TranscriptionRow:
    return folded(TRANSCRIPTIONS, requested(), *events)


def test_a_user_starts_with_the_minutes_that_were_granted() -> None:
    user = folded(USERS, registered(), granted(60))
    assert (user.id, user.email, user.quota_minutes) == (ANNA, "anna@example.com", 60)


def test_reserved_minutes_are_off_what_a_user_can_spend_and_stay_off_when_debited() -> None:
    assert folded(USERS, registered(), granted(60), reserved(2)).quota_minutes == 58
    assert folded(USERS, registered(), granted(60), reserved(2), debited(2)).quota_minutes == 58
    assert folded(USERS, registered(), granted(60), reserved(2), released(2)).quota_minutes == 60


def test_the_quota_is_granted_less_reserved_less_debited() -> None:
    quota = folded(QUOTA, granted(60), reserved(5), debited(5), reserved(3))
    assert (quota.minutes_granted, quota.minutes_reserved, quota.minutes_debited) == (60, 3, 5)
    assert quota.minutes_available == 52


def test_of_a_recording_that_decoded_in_part_the_rest_of_the_minutes_is_available_again() -> None:
    history = (granted(60), reserved(5), debited(2), released(3))
    quota = folded(QUOTA, *history)
    assert (quota.minutes_available, quota.minutes_reserved, quota.minutes_debited) == (58, 0, 2)
    assert folded(USERS, registered(), *history).quota_minutes == 58


def test_a_transcription_names_what_could_not_be_decoded() -> None:
    warnings = (MediaWarning(from_seconds=45.0, to_seconds=90.0),)
    heard = replace(completed(), result=result(duration_seconds=45.0, warnings=warnings))
    assert json.loads(transcription(started(), heard).warnings) == [
        {"code": "media_damaged", "from_seconds": 45.0, "to_seconds": 90.0}
    ]
    assert transcription(started()).warnings == "[]"


def test_a_completion_of_before_there_were_warnings_has_none() -> None:
    stored = json.loads(encode(completed()))
    for field in ("duration_seconds", "warnings"):
        del stored["result"][field]
    old = decode("TranscriptionCompleted", 1, json.dumps(stored).encode())
    assert transcription(started(), old).warnings == "[]"


def test_a_new_request_has_a_time_of_its_own_and_no_warnings_of_the_last_one() -> None:
    again = replace(requested(), requested_at=LATER)
    row = transcription(started(), failed(), again)
    assert (row.requested_at, row.created_at, row.warnings) == (LATER, NOON, "[]")


def test_released_minutes_are_available_again() -> None:
    quota = folded(QUOTA, granted(60), reserved(5), released(5))
    assert (quota.minutes_available, quota.minutes_reserved) == (60, 0)


def test_a_file_is_stored_under_the_name_its_key_ends_with() -> None:
    file = folded(FILES, uploaded())
    assert file.storage_url == f"media/{ANNA}/{'ab' * 32}"
    assert file.stored_filename == "ab" * 32
    assert (file.id, file.original_filename, file.upload_status) == (FILE, "talk.mp3", "uploaded")


def test_a_requested_transcription_is_queued() -> None:
    row = transcription()
    assert (row.id, row.file_id, row.user_id) == (TRANSCRIPTION, FILE, ANNA)
    assert (row.status, row.attempt, row.completed_at) == ("queued", 0, None)


def test_a_transcription_says_what_was_asked_for_and_how_sure_its_language_is() -> None:
    asked = Instructions(language="de", task="translate", prompt="Sitzung\0", vocabulary=("Anna", "Jürgen"))
    request = requested()
    job = replace(
        request.job, language="de", task="translate", prompt="Sitzung\0", vocabulary=("Anna", "Jürgen")
    )
    row = folded(TRANSCRIPTIONS, replace(request, job=job))
    assert msgspec.json.decode(row.instructions, type=Instructions) == asked
    assert "\0" not in row.instructions
    surely = completed()
    heard = replace(surely, result=replace(surely.result, language_probability=0.93))
    assert transcription(started(), heard).language_probability == 0.93


def test_a_request_of_before_there_were_instructions_asks_for_none() -> None:
    stored = msgspec.json.decode(encode(requested()))
    for field in ("task", "prompt", "vocabulary"):
        del stored["job"][field]
    row = folded(TRANSCRIPTIONS, decode("TranscriptionRequested", 1, msgspec.json.encode(stored)))
    assert msgspec.json.decode(row.instructions, type=Instructions) == Instructions()


def test_a_started_transcription_is_processing_and_queued_again_when_the_attempt_fails() -> None:
    assert transcription(started()).status == "processing"
    row = transcription(started(), attempt_failed())
    assert (row.status, row.attempt) == ("queued", 1)


def test_a_completed_transcription_names_its_transcript_and_its_time() -> None:
    row = transcription(started(), completed())
    assert (row.status, row.completed_at, row.processing_time_seconds) == ("completed", NOON, 3)
    assert (row.transcript_key, row.transcript_sha256, row.revision) == (
        result().transcript_key,
        "first",
        1,
    )


def test_a_failed_transcription_says_when_and_why() -> None:
    row = transcription(started(), attempt_failed(), failed())
    assert (row.status, row.completed_at, row.failure_reason) == ("failed", NOON, "lease_expired")


def test_a_cancelled_transcription_has_ended() -> None:
    row = transcription(cancelled())
    assert (row.status, row.completed_at) == ("cancelled", NOON)


def test_an_edit_replaces_the_transcript_and_leaves_the_rest() -> None:
    before = transcription(started(), completed())
    row = transcription(started(), completed(), edited())
    assert (row.transcript_key, row.revision, row.word_count) == ("transcripts/second", 2, 11)
    assert (row.status, row.completed_at) == (before.status, before.completed_at)


def test_typed_words_wait_until_they_were_looked_for_or_edited_again() -> None:
    typed = replace(edited(), estimated_count=3)
    row = transcription(started(), completed(), typed)
    assert (row.estimated_count, row.alignment_attempt, row.aligner_id) == (3, 0, None)
    row = transcription(started(), completed(), typed, alignment_started())
    assert (row.estimated_count, row.alignment_attempt, row.aligner_id) == (3, 1, WORKER)
    for end in (transcript_aligned(), alignment_ended(), edited(3, name="third")):
        row = transcription(started(), completed(), typed, alignment_started(), end)
        assert (row.estimated_count, row.alignment_attempt, row.aligner_id) == (0, 0, None)


def test_found_words_replace_the_transcript_and_leave_the_rest() -> None:
    before = transcription(started(), completed(), edited())
    row = transcription(started(), completed(), edited(), alignment_started(), transcript_aligned())
    assert (row.transcript_sha256, row.revision, row.word_count) == ("aligned", 3, 11)
    assert (row.status, row.completed_at) == (before.status, before.completed_at)


def test_a_transcription_requested_again_forgets_its_end_and_keeps_its_attempts() -> None:
    row = transcription(started(), attempt_failed(), failed(), requested())
    assert (row.status, row.attempt, row.completed_at, row.failure_reason) == ("queued", 1, None, None)
    assert row.created_at == NOON


def test_every_event_reaches_a_read_model_but_those_that_the_log_itself_is_asked_for() -> None:
    wanted = {kind for projection in READ_MODELS.values() for kind in projection.keys}
    assert wanted | {ApiKeyCreated, ApiKeyRevoked} == set(REGISTRY.values())
