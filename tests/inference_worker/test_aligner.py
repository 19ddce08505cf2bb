"""Typed words are looked for when there is nothing else to do, and an attempt that comes waits for nothing of it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.edits import edit
from domain.transcript import Segment, Transcript, Word, transcript_of
from domain.transcript_keys import transcript_key
from domain.transcription_events import AlignmentJob, AlignmentStarted, Job
from inference_worker.faults import Fault
from inference_worker.job import Workplace
from schemas.messages import AlignmentReported, AttemptSucceeded, WorkerReady
from schemas.objects import decode_transcript, encode_transcript
from tests.builders import ANNA, NOON, TRANSCRIPTION, WORKER, identity
from tests.inference_worker.assignments import assigned, store_tone
from tests.inference_worker.fake_engine import FakeEngine
from tests.inference_worker.test_worker import Running, at_work

OTHER = identity("another transcription")
WORDS = tuple(
    Word(text=f" w{number}", start_ms=number * 1_000, end_ms=number * 1_000 + 900) for number in range(10)
)
HEARD = transcript_of([Segment(words=WORDS)], language="en", duration_ms=10_000)
TYPED = edit(HEARD, HEARD.text.replace("w5", "five fives"))


@pytest.fixture
async def job(place: Workplace, tmp_path: Path) -> Job:
    return await store_tone(place.store, tmp_path, seconds=10.0)


async def to_align(place: Workplace, job: Job, transcript: Transcript = TYPED) -> AlignmentStarted:
    content, sha256 = encode_transcript(transcript)
    key = transcript_key(ANNA, TRANSCRIPTION, sha256)
    await place.store.put(key, content)
    return AlignmentStarted(
        transcription_id=TRANSCRIPTION,
        user_id=ANNA,
        revision=2,
        attempt=1,
        worker_id=WORKER,
        job=AlignmentJob(
            transcript_key=key,
            media_key=job.media_key,
            media_sha256=job.media_sha256,
            duration_seconds=job.duration_seconds,
        ),
        started_at=NOON,
    )


def aligning(running: Running) -> object:
    return running.outbox.of(WorkerReady)[-1].aligning


async def test_what_was_found_is_stored_and_told(place: Workplace, job: Job) -> None:
    async with at_work(place, FakeEngine()) as running:
        assert running.outbox.of(WorkerReady)[-1].aligns
        running.inbox.put(await to_align(place, job))
        await running.until(lambda: running.outbox.of(AlignmentReported))
        [told] = running.outbox.of(AlignmentReported)
        assert (told.revision, told.attempt, told.aligned_count, told.word_count) == (2, 1, 2, 11)
        transcript = decode_transcript(await place.store.get(told.transcript_key))
        assert transcript.text == TYPED.text
        assert [word.text for word in transcript.words if word.timing == "aligned"] == [" five", " fives"]
        await running.until(lambda: aligning(running) is None)
        assert not list(place.scratch.iterdir())


async def test_a_worker_says_what_it_looks_for_for_as_long_as_it_does(place: Workplace, job: Job) -> None:
    engine = FakeEngine()
    engine.may_align.clear()
    async with at_work(place, engine) as running:
        running.inbox.put(await to_align(place, job))
        await running.until(lambda: aligning(running) == TRANSCRIPTION)
        engine.may_align.set()
        await running.until(lambda: aligning(running) is None)


async def test_an_attempt_that_comes_goes_first_and_then_it_begins_anew(place: Workplace, job: Job) -> None:
    engine = FakeEngine()
    engine.may_align.clear()
    async with at_work(place, engine) as running:
        running.inbox.put(await to_align(place, job))
        await running.until(lambda: engine.alignments)
        running.inbox.put(assigned(job, transcription_id=OTHER))
        assert isinstance(await running.outcome(), AttemptSucceeded)
        assert not running.outbox.of(AlignmentReported)
        assert aligning(running) == TRANSCRIPTION
        engine.may_align.set()
        await running.until(lambda: running.outbox.of(AlignmentReported))
        assert len(engine.alignments) == 2


async def test_while_an_attempt_is_in_hand_nothing_is_looked_for(place: Workplace, job: Job) -> None:
    engine = FakeEngine()
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job, transcription_id=OTHER))
        running.inbox.put(await to_align(place, job))
        await running.until(lambda: running.outbox.of(AlignmentReported))
        kinds = [type(each) for each in running.outbox.sent]
        assert kinds.index(AttemptSucceeded) < kinds.index(AlignmentReported)


async def test_the_last_one_given_is_the_one_in_hand(place: Workplace, job: Job) -> None:
    engine = FakeEngine()
    engine.may_align.clear()
    async with at_work(place, engine) as running:
        first = await to_align(place, job)
        running.inbox.put(first)
        await running.until(lambda: engine.alignments)
        running.inbox.put(replace(first, revision=3))
        await running.until(lambda: len(engine.alignments) == 2)
        engine.may_align.set()
        await running.until(lambda: running.outbox.of(AlignmentReported))
        assert [told.revision for told in running.outbox.of(AlignmentReported)] == [3]


@pytest.mark.parametrize("problem", [Fault("engine_died"), ZeroDivisionError("a surprise")])
async def test_what_fails_is_put_down_and_the_worker_goes_on(
    place: Workplace, job: Job, problem: Exception
) -> None:
    engine = FakeEngine()
    engine.alignment_fault = problem
    async with at_work(place, engine) as running:
        running.inbox.put(await to_align(place, job))
        await running.until(lambda: engine.alignments and aligning(running) is None)
        assert not running.outbox.of(AlignmentReported)
        engine.alignment_fault = None
        running.inbox.put(await to_align(place, job))
        await running.until(lambda: running.outbox.of(AlignmentReported))


@pytest.mark.parametrize("lost", ["recording", "transcript"])
async def test_what_is_lost_for_good_is_told_to_be_nothing_to_find(
    place: Workplace, job: Job, lost: str
) -> None:
    started = await to_align(place, job)
    await place.store.delete(started.job.media_key if lost == "recording" else started.job.transcript_key)
    async with at_work(place, FakeEngine()) as running:
        running.inbox.put(started)
        await running.until(lambda: running.outbox.of(AlignmentReported))
        assert running.outbox.of(AlignmentReported)[0].aligned_count == 0
        await running.until(lambda: aligning(running) is None)


async def test_a_transcript_without_typed_words_costs_no_look_at_the_sound(
    place: Workplace, job: Job
) -> None:
    engine = FakeEngine()
    async with at_work(place, engine) as running:
        running.inbox.put(await to_align(place, job, HEARD))
        await running.until(lambda: running.outbox.of(AlignmentReported))
        assert running.outbox.of(AlignmentReported)[0].aligned_count == 0
        assert engine.alignments == []


async def test_an_engine_that_died_of_it_is_there_again_before_an_attempt_comes(
    place: Workplace, job: Job
) -> None:
    engine = FakeEngine()
    engine.alignment_fault = Fault("engine_died")
    async with at_work(place, engine) as running:
        before = engine.times_made_ready
        running.inbox.put(await to_align(place, job))
        await running.until(lambda: engine.alignments and engine.times_made_ready > before)
