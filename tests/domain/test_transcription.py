"""Transcriptions: one at a time per file, three attempts, and a fencing token that stale reports fail on."""

from collections.abc import Collection
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.attempts import OBJECT_STORE_AWAY, WORKER_STOPPED
from domain.errors import (
    AttemptOfAnother,
    NotOwner,
    RevisionChanged,
    StaleAttempt,
    TranscriptionExists,
    TranscriptionNotCancellable,
    TranscriptionNotCompleted,
    TranscriptionNotDeletable,
    TranscriptionNotFound,
    TranscriptionWasDeleted,
    TranscriptMisplaced,
)
from domain.revisions import revision_of, tag_of
from domain.transcription import TRANSCRIPTION as DECIDER
from domain.transcription import transcription_id_of
from domain.transcription_commands import (
    CancelTranscription,
    CompleteTranscription,
    DeleteTranscription,
    EditTranscript,
    FailAttempt,
    RequestTranscription,
    StartTranscription,
)
from domain.transcription_events import Result, TranscriptionEvent
from tests.builders import (
    ANNA,
    BERT,
    FILE,
    LATER,
    NOON,
    OTHER_WORKER,
    TRANSCRIPTION,
    WORKER,
    attempt_failed,
    cancelled,
    completed,
    deleted,
    edited,
    failed,
    identity,
    job,
    requested,
    result,
    started,
)
from tests.domain.spec import given

RUNNING = (requested(), started(1))
TWICE_FAILED = (requested(), started(1), attempt_failed(1), started(2), attempt_failed(2))
COMPLETED = (*RUNNING, completed(1))
FIRST = tag_of(1, "first")
FAILED = (*TWICE_FAILED, started(3), attempt_failed(3), failed(3))


def request() -> RequestTranscription:
    return RequestTranscription(
        transcription_id=TRANSCRIPTION, user_id=ANNA, job=job(), minutes=2, requested_at=NOON
    )


def start(attempt: int, worker_id: UUID = WORKER) -> StartTranscription:
    return StartTranscription(
        transcription_id=TRANSCRIPTION, attempt=attempt, worker_id=worker_id, started_at=NOON
    )


def complete(
    attempt: int, *, worker_id: UUID = WORKER, heard: Result | None = None
) -> CompleteTranscription:
    return CompleteTranscription(
        transcription_id=TRANSCRIPTION,
        attempt=attempt,
        worker_id=worker_id,
        result=heard or result(),
        completed_at=NOON,
    )


def fail(
    attempt: int,
    *,
    permanent: bool = False,
    reason: str = "lease_expired",
    worker_id: UUID | None = None,
) -> FailAttempt:
    return FailAttempt(
        transcription_id=TRANSCRIPTION,
        attempt=attempt,
        worker_id=worker_id,
        reason=reason,
        permanent=permanent,
        failed_at=NOON,
    )


def cancel(user_id: UUID = ANNA) -> CancelTranscription:
    return CancelTranscription(transcription_id=TRANSCRIPTION, user_id=user_id, cancelled_at=NOON)


def edit(
    name: str = "second",
    user_id: UUID = ANNA,
    *,
    expected: Collection[str] | None = None,
    restored_revision: int | None = None,
) -> EditTranscript:
    return EditTranscript(
        transcription_id=TRANSCRIPTION,
        user_id=user_id,
        transcript_key=f"transcripts/{name}",
        transcript_sha256=name,
        word_count=11,
        edited_at=NOON,
        expected=None if expected is None else frozenset(expected),
        restored_revision=restored_revision,
    )


def test_a_file_has_one_transcription_id_for_ever() -> None:
    assert transcription_id_of(FILE) == transcription_id_of(FILE)
    assert transcription_id_of(FILE) != transcription_id_of(identity("other file"))


def test_a_request_queues_the_transcription() -> None:
    given(DECIDER).when(request()).then_once(requested())


@pytest.mark.parametrize("history", [(requested(),), RUNNING, COMPLETED])
def test_a_second_request_is_refused_while_there_is_one(
    history: tuple[TranscriptionEvent, ...],
) -> None:
    given(DECIDER, *history).when(request()).then_rejected(TranscriptionExists)


@pytest.mark.parametrize("history", [FAILED, (requested(), cancelled())])
def test_a_failed_or_cancelled_transcription_can_be_requested_again(
    history: tuple[TranscriptionEvent, ...],
) -> None:
    given(DECIDER, *history).when(request()).then_once(requested())


def test_a_queued_transcription_is_assigned_to_a_worker() -> None:
    given(DECIDER, requested()).when(start(1)).then(started(1))


def test_an_attempt_is_assigned_to_one_worker_only() -> None:
    given(DECIDER, *RUNNING).when(start(1, OTHER_WORKER)).then_rejected(StaleAttempt)


def test_an_attempt_number_is_never_used_twice() -> None:
    history = (requested(), started(1), attempt_failed(1))
    given(DECIDER, *history).when(start(1, OTHER_WORKER)).then_rejected(StaleAttempt)


def test_attempts_keep_counting_after_a_repeated_request() -> None:
    given(DECIDER, *FAILED, requested()).when(start(4)).then(started(4))


def test_a_finished_attempt_completes_the_transcription() -> None:
    given(DECIDER, *RUNNING).when(complete(1)).then(completed(1))


def test_a_result_from_an_overtaken_attempt_is_refused() -> None:
    history = (requested(), started(1), attempt_failed(1), started(2))
    given(DECIDER, *history).when(complete(1)).then_rejected(StaleAttempt)


def test_a_result_for_a_cancelled_transcription_is_refused() -> None:
    given(DECIDER, *RUNNING, cancelled(1)).when(complete(1)).then_rejected(StaleAttempt)


def test_a_result_from_a_worker_that_does_not_hold_the_attempt_is_refused() -> None:
    given(DECIDER, *RUNNING).when(complete(1, worker_id=OTHER_WORKER)).then_rejected(AttemptOfAnother)


@pytest.mark.parametrize(
    "heard",
    [
        result(user_id=BERT),
        result(transcription_id=identity("another transcription")),
        replace(result(), transcript_sha256="of something else"),
        replace(result(), transcript_key=f"media/{BERT}/talk"),
        replace(result(), transcript_key=f"transcripts/{ANNA}/{TRANSCRIPTION}/../{BERT}/first.json"),
        replace(result(), transcript_key=""),
    ],
)
def test_a_transcript_in_another_place_than_its_own_is_refused(heard: Result) -> None:
    given(DECIDER, *RUNNING).when(complete(1, heard=heard)).then_rejected(TranscriptMisplaced)


def test_a_fault_from_a_worker_that_does_not_hold_the_attempt_is_refused() -> None:
    given(DECIDER, *RUNNING).when(fail(1, worker_id=OTHER_WORKER)).then_rejected(AttemptOfAnother)


def test_a_fault_from_the_worker_that_holds_the_attempt_counts() -> None:
    given(DECIDER, *RUNNING).when(fail(1, worker_id=WORKER)).then(attempt_failed(1))


def test_a_failed_attempt_leads_to_another() -> None:
    given(DECIDER, *RUNNING).when(fail(1)).then(attempt_failed(1))


def test_the_third_failed_attempt_fails_the_transcription() -> None:
    given(DECIDER, *TWICE_FAILED, started(3)).when(fail(3)).then(attempt_failed(3), failed(3))


@pytest.mark.parametrize("reason", [WORKER_STOPPED, OBJECT_STORE_AWAY])
def test_an_attempt_that_a_worker_hands_back_does_not_count(reason: str) -> None:
    handed_back = attempt_failed(3, reason=reason)
    given(DECIDER, *TWICE_FAILED, started(3)).when(fail(3, reason=reason)).then(handed_back)
    history = (*TWICE_FAILED, started(3), handed_back, started(4))
    given(DECIDER, *history).when(fail(4)).then(attempt_failed(4), failed(4))


def test_a_permanent_fault_fails_the_transcription_at_once() -> None:
    reason = "media_unreadable"
    given(DECIDER, *RUNNING).when(fail(1, permanent=True, reason=reason)).then(
        attempt_failed(1, reason=reason), failed(1, reason=reason)
    )


def test_a_repeated_request_has_three_attempts_again() -> None:
    history = (*FAILED, requested(), started(4))
    given(DECIDER, *history).when(fail(4)).then(attempt_failed(4))


def test_a_fault_of_an_overtaken_attempt_is_refused() -> None:
    history = (requested(), started(1), attempt_failed(1), started(2))
    given(DECIDER, *history).when(fail(1)).then_rejected(StaleAttempt)


def test_a_queued_transcription_can_be_cancelled() -> None:
    given(DECIDER, requested()).when(cancel()).then(cancelled())


def test_a_running_transcription_is_cancelled_at_its_worker() -> None:
    given(DECIDER, *RUNNING).when(cancel()).then(cancelled(1, worker_id=WORKER))


@pytest.mark.parametrize("history", [COMPLETED, FAILED])
def test_what_has_ended_cannot_be_cancelled(history: tuple[TranscriptionEvent, ...]) -> None:
    given(DECIDER, *history).when(cancel()).then_rejected(TranscriptionNotCancellable)


def test_an_unknown_transcription_cannot_be_cancelled() -> None:
    given(DECIDER).when(cancel()).then_rejected(TranscriptionNotFound)


def test_nobody_cancels_the_transcription_of_another_user() -> None:
    given(DECIDER, *RUNNING).when(cancel(BERT)).then_rejected(NotOwner)


def test_an_edit_makes_the_next_revision() -> None:
    given(DECIDER, *COMPLETED).when(edit()).then(edited(2))


def test_the_same_text_again_is_no_edit() -> None:
    given(DECIDER, *COMPLETED, edited(2)).when(edit()).then_nothing()


def test_a_return_to_an_older_text_is_an_edit() -> None:
    given(DECIDER, *COMPLETED, edited(2)).when(edit("first")).then(edited(3, name="first"))


@pytest.mark.parametrize("expected", [{FIRST}, {FIRST, "9-other"}, None])
def test_an_edit_of_the_revision_that_is_the_current_one_is_made(expected: Collection[str] | None) -> None:
    given(DECIDER, *COMPLETED).when(edit(expected=expected)).then(edited(2))


@pytest.mark.parametrize("expected", [{FIRST}, {"2-other"}, set()])
def test_an_edit_of_another_revision_than_the_current_one_is_refused(expected: Collection[str]) -> None:
    history = (*COMPLETED, edited(2))
    given(DECIDER, *history).when(edit("third", expected=expected)).then_rejected(RevisionChanged)


def test_an_edit_that_was_made_before_is_made_whatever_it_expected() -> None:
    """Its answer may have been lost, and it is sent again."""
    given(DECIDER, *COMPLETED, edited(2)).when(edit(expected={FIRST})).then_nothing()


def test_a_restored_revision_is_a_new_one_that_says_which_it_was() -> None:
    restore = edit("first", restored_revision=1)
    given(DECIDER, *COMPLETED, edited(2)).when(restore).then(edited(3, name="first", restored_revision=1))
    revision = revision_of(edited(3, name="first", restored_revision=1))
    assert revision is not None
    assert (revision.number, revision.making, revision.restored_revision) == (3, "restored", 1)


def test_every_event_after_the_first_transcript_makes_the_next_revision() -> None:
    history = (*COMPLETED, edited(2), edited(3, name="first", restored_revision=1))
    made = [revision for each in history if (revision := revision_of(each))]
    assert [(each.number, each.making) for each in made] == [(1, "heard"), (2, "edited"), (3, "restored")]
    assert DECIDER.fold(history).tag == made[-1].tag != made[0].tag


@pytest.mark.parametrize("history", [(requested(),), RUNNING, FAILED])
def test_only_a_completed_transcription_can_be_edited(
    history: tuple[TranscriptionEvent, ...],
) -> None:
    given(DECIDER, *history).when(edit()).then_rejected(TranscriptionNotCompleted)


def test_nobody_edits_the_transcript_of_another_user() -> None:
    given(DECIDER, *COMPLETED).when(edit(user_id=BERT)).then_rejected(NotOwner)


def test_decisions_do_not_depend_on_when_they_are_made() -> None:
    late = StartTranscription(transcription_id=TRANSCRIPTION, attempt=1, worker_id=WORKER, started_at=LATER)
    given(DECIDER, *RUNNING).when(late).then_nothing()


def delete(user_id: UUID = ANNA, *, cancels: bool = False) -> DeleteTranscription:
    return DeleteTranscription(
        transcription_id=TRANSCRIPTION, user_id=user_id, deleted_at=NOON, cancels=cancels
    )


def test_one_that_is_at_work_is_to_be_cancelled_before_it_is_deleted() -> None:
    for history in ((requested(),), RUNNING):
        given(DECIDER, *history).when(delete()).then_rejected(TranscriptionNotDeletable)


def test_one_that_is_at_work_is_cancelled_and_deleted_where_both_is_asked_for() -> None:
    both = delete(cancels=True)
    given(DECIDER, requested()).when(both).then(cancelled(0), deleted())
    given(DECIDER, *RUNNING).when(both).then(cancelled(1, worker_id=WORKER), deleted())


def test_one_that_has_ended_is_deleted() -> None:
    for history in (COMPLETED, FAILED, (requested(), cancelled(0))):
        given(DECIDER, *history).when(delete()).then(deleted())


def test_only_its_owner_deletes_a_transcription_and_only_one_that_is_there() -> None:
    given(DECIDER, *COMPLETED).when(delete(BERT)).then_rejected(NotOwner)
    given(DECIDER, *COMPLETED, deleted()).when(delete(BERT)).then_rejected(TranscriptionNotFound)
    given(DECIDER).when(delete()).then_rejected(TranscriptionNotFound)


def test_nothing_can_be_done_with_a_deleted_transcription_and_nothing_is_left_of_it() -> None:
    history = (*RUNNING, cancelled(1, worker_id=WORKER), deleted())
    given(DECIDER, *history).when(request()).then_rejected(TranscriptionWasDeleted)
    given(DECIDER, *history).when(start(2)).then_rejected(StaleAttempt)
    given(DECIDER, *history).when(complete(1)).then_rejected(StaleAttempt)
    state = DECIDER.fold((*COMPLETED, deleted()))
    assert (state.job, state.heard_key, state.transcript_key) == (None, "", "")


def test_nobody_is_told_to_wait_for_what_has_ended() -> None:
    assert str(TranscriptionNotCompleted("processing")).endswith(
        "it is processing: wait for it to complete"
    )
    for status in ("failed", "cancelled"):
        assert str(TranscriptionNotCompleted(status)).endswith(f"it is {status}: request it again")
