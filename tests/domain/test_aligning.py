"""Typed words are looked for by one worker at a time, three times at the most, and only while their revision is the current one."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.aligning import ATTEMPTS_MAX, CompleteAlignment, StartAlignment
from domain.errors import RevisionChanged, StaleAlignment, TranscriptMisplaced
from domain.revisions import revision_of, tag_of
from domain.transcript_keys import transcript_key
from domain.transcription import TRANSCRIPTION as DECIDER
from domain.transcription_commands import EditTranscript
from domain.transcription_events import AlignmentStarted, TranscriptAligned, TranscriptionEvent
from tests.builders import (
    ANNA,
    NOON,
    OTHER_WORKER,
    TRANSCRIPTION,
    WORKER,
    alignment_ended,
    alignment_started,
    completed,
    deleted,
    edited,
    requested,
    started,
    transcript_aligned,
)
from tests.domain.spec import given

COMPLETED = (requested(), started(), completed())
TYPED = (*COMPLETED, replace(edited(2), estimated_count=3))
AT_WORK = (*TYPED, alignment_started())


def start(attempt: int = 1, *, revision: int = 2, worker_id: UUID = WORKER) -> StartAlignment:
    return StartAlignment(
        transcription_id=TRANSCRIPTION,
        revision=revision,
        attempt=attempt,
        worker_id=worker_id,
        started_at=NOON,
    )


def complete(attempt: int = 1, *, revision: int = 2, worker_id: UUID = WORKER) -> CompleteAlignment:
    return CompleteAlignment(
        transcription_id=TRANSCRIPTION,
        revision=revision,
        attempt=attempt,
        worker_id=worker_id,
        transcript_key=transcript_key(ANNA, TRANSCRIPTION, "aligned"),
        transcript_sha256="aligned",
        word_count=11,
        aligned_count=3,
        aligned_at=NOON,
    )


def edit(*, expected: str | None = None) -> EditTranscript:
    return EditTranscript(
        transcription_id=TRANSCRIPTION,
        user_id=ANNA,
        transcript_key="transcripts/third",
        transcript_sha256="third",
        word_count=11,
        edited_at=NOON,
        expected=None if expected is None else frozenset({expected}),
    )


def test_typed_words_are_given_to_one_worker() -> None:
    given(DECIDER, *TYPED).when(start()).then(alignment_started())
    given(DECIDER, *AT_WORK).when(start(worker_id=OTHER_WORKER)).then_rejected(StaleAlignment)


@pytest.mark.parametrize("history", [COMPLETED, (*COMPLETED, edited(2)), (*TYPED, deleted())])
def test_where_no_word_was_typed_nothing_is_looked_for(history: tuple[TranscriptionEvent, ...]) -> None:
    given(DECIDER, *history).when(start()).then_rejected(StaleAlignment)


def test_the_words_of_a_translation_are_not_in_the_sound() -> None:
    job = replace(requested().job, task="translate")
    history = (replace(requested(), job=job), started(), completed())
    typed = replace(edit(), estimated_count=3)
    given(DECIDER, *history).when(typed).then(
        replace(edited(2, name="third"), transcript_key="transcripts/third")
    )


def test_the_next_worker_has_the_next_attempt_and_the_last_is_the_third() -> None:
    history: list[AlignmentStarted] = []
    for attempt in range(1, ATTEMPTS_MAX + 1):
        given(DECIDER, *TYPED, *history).when(start(attempt, worker_id=OTHER_WORKER)).then(
            alignment_started(attempt, worker_id=OTHER_WORKER)
        )
        history.append(alignment_started(attempt))
    given(DECIDER, *TYPED, *history).when(start(ATTEMPTS_MAX + 1)).then_rejected(StaleAlignment)


def test_what_was_found_is_the_next_revision() -> None:
    given(DECIDER, *AT_WORK).when(complete()).then_once(transcript_aligned())
    revision = revision_of(transcript_aligned())
    assert revision is not None
    assert (revision.number, revision.making) == (3, "aligned")


@pytest.mark.parametrize(
    "history",
    [
        (*AT_WORK, edited(3, name="third")),
        (*AT_WORK, transcript_aligned()),
        (*AT_WORK, alignment_started(2, worker_id=OTHER_WORKER)),
        (*AT_WORK, deleted()),
        TYPED,
    ],
)
def test_what_was_found_too_late_is_void(history: tuple[TranscriptionEvent, ...]) -> None:
    given(DECIDER, *history).when(complete()).then_rejected(StaleAlignment)


def test_what_another_worker_found_is_void() -> None:
    given(DECIDER, *AT_WORK).when(complete(worker_id=OTHER_WORKER)).then_rejected(StaleAlignment)


def test_a_transcript_in_another_place_is_refused() -> None:
    elsewhere = replace(complete(), transcript_key="transcripts/somebody/else.json")
    given(DECIDER, *AT_WORK).when(elsewhere).then_rejected(TranscriptMisplaced)


def test_where_nothing_was_found_there_is_no_revision_and_no_other_look() -> None:
    nothing = replace(complete(), aligned_count=0)
    given(DECIDER, *AT_WORK).when(nothing).then_once(alignment_ended())
    given(DECIDER, *AT_WORK, alignment_ended()).when(start(2)).then_rejected(StaleAlignment)
    given(DECIDER, *AT_WORK, alignment_ended()).when(nothing).then_rejected(StaleAlignment)
    assert DECIDER.fold((*AT_WORK, alignment_ended())).tag == DECIDER.fold(TYPED).tag
    assert revision_of(alignment_ended()) is None


def test_words_that_were_looked_for_are_not_looked_for_again() -> None:
    given(DECIDER, *AT_WORK, transcript_aligned()).when(start(revision=3)).then_rejected(StaleAlignment)


def test_an_edit_of_the_words_before_they_were_aligned_is_no_conflict() -> None:
    """The words are the same, so that nobody's edit is lost; whoever edits cannot know of what works in the background."""
    history = (*AT_WORK, transcript_aligned())
    third = replace(edited(4, name="third"), transcript_key="transcripts/third")
    given(DECIDER, *history).when(edit(expected=tag_of(2, "second"))).then(third)
    given(DECIDER, *history).when(edit(expected=tag_of(3, "aligned"))).then(third)
    given(DECIDER, *history).when(edit(expected=tag_of(1, "first"))).then_rejected(RevisionChanged)
    given(DECIDER, *history, edited(4, name="fourth")).when(
        edit(expected=tag_of(2, "second"))
    ).then_rejected(RevisionChanged)


def test_an_alignment_says_what_it_was_made_of() -> None:
    event = DECIDER.decide(complete(), DECIDER.fold(AT_WORK))[0]
    assert isinstance(event, TranscriptAligned)
    assert (event.aligned_revision, event.revision) == (2, 3)
