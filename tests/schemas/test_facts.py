"""A fact says what a transcription is at this moment, and nothing about a person."""

from collections.abc import Sequence
from typing import get_args

import msgspec
import pytest
from msgspec.structs import replace

from domain.events import Event
from domain.log import LogRecord
from domain.quota import QuotaDebited
from domain.transcription import TRANSCRIPTION
from domain.transcription_events import TranscriptionEvent
from schemas.events import REGISTRY, EventType, UnknownEventType
from schemas.facts import TranscriptionFact, encode_fact, evolve_fact
from tests import builders as b
from tests.infrastructure.kafka.messages import record
from tests.projections.lives import ENDS, life
from tests.schemas.test_events import EVENTS


def recorded(events: Sequence[Event]) -> list[LogRecord]:
    return [record(version, event=event) for version, event in enumerate(events, 1)]


def fact_of(*events: Event) -> TranscriptionFact | None:
    fact = None
    for each in recorded(events):
        fact = evolve_fact(fact, each)
    return fact


def happenings(end: str) -> list[Event]:
    return [event for step in life("anna", end) for event in step]


@pytest.mark.parametrize("end", ENDS)
def test_it_agrees_with_the_rules_about_each_end_that_a_transcription_can_come_to(end: str) -> None:
    told: list[TranscriptionEvent] = [
        each for each in happenings(end) if isinstance(each, get_args(TranscriptionEvent))
    ]
    state, fact = TRANSCRIPTION.fold(told), fact_of(*told)
    assert fact is not None
    assert state.job is not None
    assert (fact.status, fact.attempt, fact.revision) == (state.status, state.attempt, state.revision)
    assert (fact.user_id, fact.file_id, fact.version) == (state.user_id, state.job.file_id, len(told))
    debited = [each.minutes for each in happenings(end) if isinstance(each, QuotaDebited)]
    assert fact.minutes_debited == sum(debited)
    assert (fact.ended_at is None) == (end in ("queued", "processing", "repeated"))


def test_every_event_of_a_transcription_is_told_of_in_each_version() -> None:
    kinds = [kind for kind, cls in REGISTRY.items() if cls in get_args(TranscriptionEvent)]
    assert len(kinds) >= len(get_args(TranscriptionEvent))
    for event in EVENTS:
        if isinstance(event, get_args(TranscriptionEvent)):
            evolve_fact(fact_of(b.requested()), record(2, event=event))


def test_an_event_that_only_a_newer_version_knows_is_not_guessed_at() -> None:
    for unknown in (
        replace(record(1, event=b.requested()), schema_version=99),
        replace(record(1), type="Brewed"),
    ):
        assert EventType(unknown.type, unknown.schema_version) not in REGISTRY
        with pytest.raises(UnknownEventType):
            evolve_fact(None, unknown)


def test_found_words_are_the_next_revision_and_nothing_else_changes() -> None:
    before = fact_of(b.requested(), b.started(), b.completed(), b.edited())
    for event, revision in (
        (b.alignment_started(), 2),
        (b.alignment_ended(), 2),
        (b.transcript_aligned(), 3),
    ):
        fact = fact_of(b.requested(), b.started(), b.completed(), b.edited(), event)
        assert before is not None
        assert fact == msgspec.structs.replace(before, version=5, revision=revision)


def test_it_holds_nothing_that_a_person_wrote_or_named() -> None:
    words = {"prompt": "our dear Mrs Miller", "vocabulary": ("Millerstown",)}
    job = msgspec.structs.replace(b.job(), **words)
    fact = fact_of(
        replace(b.requested(), job=job), replace(b.started(), job=job), b.completed(), b.edited()
    )
    assert fact is not None
    encoded = encode_fact(fact).decode()
    for word in ("Miller", "talk.mp3", job.media_key, job.media_sha256, "transcripts/"):
        assert word not in encoded
    assert '"status":"completed"' in encoded
