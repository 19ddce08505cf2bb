"""Starting, completing and failing attempts: the number fences off what is old, and quota follows in step."""

import asyncio

import pytest
from msgspec.structs import replace

from commands.complete_transcription import complete_transcription
from commands.fail_attempt import fail_attempt
from commands.start_transcription import start_transcription
from domain.attempts import ATTEMPTS_MAX
from domain.errors import NothingDecoded, StaleAttempt
from domain.transcript import MediaWarning
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import CompleteTranscription, FailAttempt
from domain.transcription_events import TranscriptionStarted
from infrastructure.memory import InMemoryEventStore
from tests.builders import ANNA, LATER, OTHER_WORKER, WORKER, cancelled, released, result
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import happened, quota_of, transcription_queued, types_of

DAMAGED = MediaWarning(from_seconds=45.0, to_seconds=90.0)
STREAM = TRANSCRIPTION.stream_id(TRANSCRIPTION_ID)


async def start(store: InMemoryEventStore) -> int:
    return await start_transcription(TRANSCRIPTION_ID, WORKER, LATER, store, PROVENANCE)


def complete(attempt: int = 1) -> CompleteTranscription:
    return CompleteTranscription(
        transcription_id=TRANSCRIPTION_ID,
        attempt=attempt,
        worker_id=WORKER,
        result=result(),
        completed_at=LATER,
    )


def fail(attempt: int = 1, *, permanent: bool = False) -> FailAttempt:
    return FailAttempt(
        transcription_id=TRANSCRIPTION_ID,
        attempt=attempt,
        reason="engine_crashed",
        permanent=permanent,
        failed_at=LATER,
    )


async def test_attempts_are_numbered_from_one(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    assert await start(store) == 1
    await fail_attempt(fail(1), store, PROVENANCE)
    assert await start(store) == 2


async def causes(store: InMemoryEventStore) -> list[tuple[str, str | None]]:
    """Of each event its type and that of the event it names as its cause."""
    types = {each.event_id: each.type for each in store}
    return [(each.type, types[each.causation_id] if each.causation_id else None) for each in store]


async def test_each_step_names_the_event_that_it_answers(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    before = len(await causes(store))
    for attempt in (1, 2):
        await start(store)
        if attempt == 1:
            await fail_attempt(fail(1), store, PROVENANCE)
    await complete_transcription(complete(2), store, PROVENANCE)
    news = (await causes(store))[before:]
    assert news == [
        ("TranscriptionStarted", "TranscriptionRequested"),
        ("TranscriptionAttemptFailed", "TranscriptionStarted"),
        ("TranscriptionStarted", "TranscriptionAttemptFailed"),
        ("TranscriptionCompleted", "TranscriptionStarted"),
        ("QuotaDebited", "TranscriptionStarted"),
    ]


async def test_what_is_not_queued_is_not_started(store: InMemoryEventStore) -> None:
    with pytest.raises(StaleAttempt):
        await start(store)
    await transcription_queued(store)
    await start(store)
    with pytest.raises(StaleAttempt):
        await start(store)


async def test_of_two_dispatchers_one_assigns(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    answers = await asyncio.gather(
        start(store),
        start_transcription(TRANSCRIPTION_ID, OTHER_WORKER, LATER, store, PROVENANCE),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["StaleAttempt", "int"]
    events = await store.read_stream(STREAM)
    assert sum(isinstance(event, TranscriptionStarted) for event in events) == 1


async def test_completion_debits_what_was_reserved(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await start(store)
    assert await complete_transcription(complete(), store, PROVENANCE) is not None
    assert types_of(await store.read_stream(STREAM))[-1] == "TranscriptionCompleted"
    assert await quota_of(store) == (58, 0, 2)


async def test_only_what_decoded_is_debited_and_the_rest_released_in_the_same_transaction(
    store: InMemoryEventStore,
) -> None:
    await transcription_queued(store)
    await start(store)
    half = replace(complete(), result=result(duration_seconds=45.0, warnings=(DAMAGED,)))
    assert await complete_transcription(half, store, PROVENANCE) is not None
    assert await quota_of(store) == (59, 0, 1)
    assert await complete_transcription(half, store, PROVENANCE) is None
    last = sorted(store, key=lambda record: record.seq)[-3:]
    assert [each.type for each in last] == ["TranscriptionCompleted", "QuotaDebited", "QuotaReleased"]


async def test_a_result_of_before_decoded_seconds_were_told_costs_what_was_reserved(
    store: InMemoryEventStore,
) -> None:
    await transcription_queued(store)
    await start(store)
    old = replace(complete(), result=result(duration_seconds=None))
    await complete_transcription(old, store, PROVENANCE)
    assert await quota_of(store) == (58, 0, 2)


async def test_a_result_of_nothing_completes_nothing(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await start(store)
    with pytest.raises(NothingDecoded):
        await complete_transcription(
            replace(complete(), result=result(duration_seconds=0.0)), store, PROVENANCE
        )
    assert await quota_of(store) == (58, 2, 0)


async def test_a_repeated_completion_changes_nothing(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await start(store)
    await complete_transcription(complete(), store, PROVENANCE)
    assert await complete_transcription(complete(), store, PROVENANCE) is None
    assert await quota_of(store) == (58, 0, 2)


async def test_two_completions_at_once_debit_once(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await start(store)
    await asyncio.gather(*(complete_transcription(complete(), store, PROVENANCE) for _ in range(5)))
    assert await quota_of(store) == (58, 0, 2)


async def test_an_old_attempt_completes_nothing(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await start(store)
    await fail_attempt(fail(1), store, PROVENANCE)
    await start(store)
    with pytest.raises(StaleAttempt):
        await complete_transcription(complete(1), store, PROVENANCE)
    assert await quota_of(store) == (58, 2, 0)


async def test_a_cancelled_transcription_is_not_completed_and_not_debited(
    store: InMemoryEventStore,
) -> None:
    await transcription_queued(store)
    await start(store)
    await happened(store, STREAM, cancelled(1, worker_id=WORKER))
    await happened(store, f"quota-{ANNA}", released(2))
    with pytest.raises(StaleAttempt):
        await complete_transcription(complete(), store, PROVENANCE)
    assert await quota_of(store) == (60, 0, 0)


async def test_a_failed_attempt_leaves_the_minutes_reserved(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await start(store)
    await fail_attempt(fail(), store, PROVENANCE)
    assert await quota_of(store) == (58, 2, 0)
    assert await fail_attempt(fail(), store, PROVENANCE) is None


async def test_the_last_failed_attempt_releases_the_minutes(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        await start(store)
        await fail_attempt(fail(attempt), store, PROVENANCE)
    assert types_of(await store.read_stream(STREAM))[-2:] == [
        "TranscriptionAttemptFailed",
        "TranscriptionFailed",
    ]
    assert await quota_of(store) == (60, 0, 0)
    assert await fail_attempt(fail(ATTEMPTS_MAX), store, PROVENANCE) is None


async def test_a_permanent_fault_fails_at_once(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await start(store)
    await fail_attempt(fail(permanent=True), store, PROVENANCE)
    assert types_of(await store.read_stream(STREAM))[-1] == "TranscriptionFailed"
    assert await quota_of(store) == (60, 0, 0)


async def test_reports_about_what_nobody_requested_are_stale(store: InMemoryEventStore) -> None:
    with pytest.raises(StaleAttempt):
        await complete_transcription(complete(), store, PROVENANCE)
    with pytest.raises(StaleAttempt):
        await fail_attempt(fail(), store, PROVENANCE)
