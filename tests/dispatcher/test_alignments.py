"""Typed words are given to a worker that has nothing else to do, and to another when that one is gone."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from dispatcher.aligning import AlignmentDispatcher, AlignmentLimits
from dispatcher.alignments import PostgresAlignments
from dispatcher.migration import QUEUE
from dispatcher.ports import Lease
from dispatcher.reports import ReportTaker
from dispatcher.tables import PostgresDispatchTables
from domain.aligning import ATTEMPTS_MAX
from domain.events import Event
from domain.ports import PartitionDetached
from domain.transcript_keys import transcript_key
from domain.transcription import TRANSCRIPTION
from domain.transcription_events import AlignmentStarted, TranscriptAligned
from infrastructure.memory import InMemoryEventStore
from projections.projection import fold_into
from projections.transcriptions import TRANSCRIPTIONS
from schemas.messages import AlignmentReported, WorkerReady
from tests.builders import (
    ANNA,
    NOON,
    OTHER_WORKER,
    WORKER,
    completed,
    deleted,
    edited,
    erasure_requested,
    identity,
    registered,
    requested,
    started,
)
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.stories import happened
from tests.dispatcher.memory import MovedClock
from tests.dispatcher.rigs import postgres_rig

LEASE_SECONDS = 15.0
STREAM = TRANSCRIPTION.stream_id(TRANSCRIPTION_ID)
TYPED = (requested(), started(), completed(), replace(edited(2), estimated_count=3))


class Log(InMemoryEventStore):
    """`is_detached` while somebody has taken its partitions away."""

    is_detached = False
    times_asked = 0

    async def read_streams(self, *arguments: Any, **options: Any) -> Any:
        self.times_asked += 1
        if self.is_detached:
            raise PartitionDetached([0])
        return await super().read_streams(*arguments, **options)


class Office:
    """A dispatcher of alignments, the log that it decides in, and the tables that it looks at."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self.pool = pool
        self.clock = MovedClock()
        self.store = Log(partition_count=4, clock=self.clock)
        self.tables = PostgresDispatchTables(pool)
        self.dispatcher = AlignmentDispatcher(
            PostgresAlignments(pool),
            self.store,
            self.clock,
            limits=AlignmentLimits(lease_seconds=LEASE_SECONDS),
            monotonic=self.clock.monotonic,
        )
        self.taker = ReportTaker(
            self.tables, self.store, self.clock, LEASE_SECONDS, (OSError,), monotonic=self.clock.monotonic
        )
        self._folded = 0

    async def happens(self, *events: Event) -> None:
        await happened(self.store, STREAM, *events)
        await self.folds()

    async def folds(self) -> None:
        """What is new in the log reaches the tables."""
        events = (await self.store.read_stream(STREAM))[self._folded :]
        self._folded += len(events)
        async with self.pool.acquire() as connection:
            await fold_into(connection, TRANSCRIPTIONS, events)
            await fold_into(connection, QUEUE, events)

    async def is_there(
        self, worker_id: UUID = WORKER, *, aligns: bool = True, aligning: UUID | None = None
    ) -> None:
        ready = WorkerReady(
            worker_id=worker_id, engine="whisper", slots=1, aligns=aligns, aligning=aligning
        )
        await self.tables.announce([ready], LEASE_SECONDS)

    async def has_an_attempt(self, worker_id: UUID) -> None:
        lease = Lease(
            transcription_id=identity(f"in hand of {worker_id}"),
            attempt=1,
            worker_id=worker_id,
            user_id=ANNA,
            requested_at=NOON,
        )
        await self.tables.grant(lease, LEASE_SECONDS)

    async def looks(self) -> None:
        await self.dispatcher.assign()
        await self.folds()

    async def pass_seconds(self, seconds: float) -> None:
        self.clock.seconds += seconds
        past = timedelta(seconds=seconds)
        await self.pool.execute("update dispatch_workers set seen_at = seen_at - $1::interval", past)

    async def given(self) -> list[tuple[int, int, UUID]]:
        """Revision, attempt and worker of each."""
        return [
            (event.revision, event.attempt, event.worker_id)
            for event in await self.store.read_stream(STREAM)
            if isinstance(event, AlignmentStarted)
        ]

    async def reports(self, *, attempt: int = 1, worker_id: UUID = WORKER, aligned_count: int = 3) -> None:
        name = "found"
        report = AlignmentReported(
            worker_id=worker_id,
            transcription_id=TRANSCRIPTION_ID,
            revision=2,
            attempt=attempt,
            transcript_key=transcript_key(ANNA, TRANSCRIPTION_ID, name),
            transcript_sha256=name,
            word_count=11,
            aligned_count=aligned_count,
        )
        await self.taker.take([(0, 0, report)])
        await self.folds()

    async def found(self) -> list[int]:
        return [
            event.revision
            for event in await self.store.read_stream(STREAM)
            if isinstance(event, TranscriptAligned)
        ]


@pytest.fixture
async def office(connections: "asyncpg.Pool[Any]") -> Office:
    await postgres_rig(connections)
    await connections.execute("truncate transcriptions")
    return Office(connections)


async def test_typed_words_are_given_to_a_worker_that_has_nothing_to_do(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.looks()
    assert await office.given() == [(2, 1, WORKER)]
    await office.looks()
    assert len(await office.given()) == 1


async def test_where_no_word_was_typed_nobody_is_asked(office: Office) -> None:
    await office.happens(*TYPED[:3], edited(2))
    await office.is_there()
    await office.looks()
    assert await office.given() == []


async def test_an_engine_that_cannot_is_never_asked(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there(aligns=False)
    await office.looks()
    assert await office.given() == []


async def test_nothing_is_given_while_a_transcription_waits(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    other = identity("another file")
    waiting = replace(requested(transcription_id=other), job=replace(requested().job, file_id=other))
    async with office.pool.acquire() as connection:
        await fold_into(connection, QUEUE, [waiting])
    await office.looks()
    assert await office.given() == []


async def test_nothing_is_given_to_a_worker_with_an_attempt_or_another_alignment_in_hand(
    office: Office,
) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.has_an_attempt(WORKER)
    await office.is_there(OTHER_WORKER, aligning=identity("another"))
    await office.looks()
    assert await office.given() == []


async def test_a_worker_that_was_not_heard_of_for_a_while_is_given_nothing(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.pass_seconds(10)
    await office.looks()
    assert await office.given() == []


async def test_what_a_worker_says_it_has_in_hand_stays_its_own(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.looks()
    for _ in range(10):
        await office.pass_seconds(5)
        await office.is_there(aligning=TRANSCRIPTION_ID)
        await office.is_there(OTHER_WORKER)
        await office.looks()
    assert await office.given() == [(2, 1, WORKER)]


async def test_when_a_worker_is_killed_another_one_goes_on_and_the_first_is_void(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.looks()
    await office.is_there(aligning=TRANSCRIPTION_ID)
    await office.pass_seconds(LEASE_SECONDS + 1)
    await office.is_there(OTHER_WORKER)
    await office.looks()
    assert await office.given() == [(2, 1, WORKER), (2, 2, OTHER_WORKER)]
    await office.reports(attempt=1, worker_id=WORKER)
    assert await office.found() == []
    await office.reports(attempt=2, worker_id=OTHER_WORKER)
    assert await office.found() == [3]


async def test_what_a_worker_has_put_down_is_given_out_again_and_three_times_at_the_most(
    office: Office,
) -> None:
    await office.happens(*TYPED)
    for _ in range(ATTEMPTS_MAX + 2):
        await office.is_there()
        await office.looks()
        await office.pass_seconds(LEASE_SECONDS + 1)
    assert [attempt for _, attempt, _ in await office.given()] == list(range(1, ATTEMPTS_MAX + 1))


async def test_what_was_found_is_the_next_revision_once(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.looks()
    await office.reports()
    await office.reports()
    assert await office.found() == [3]
    await office.is_there()
    await office.pass_seconds(LEASE_SECONDS + 1)
    await office.is_there()
    await office.looks()
    assert len(await office.given()) == 1


async def test_where_nothing_was_found_nobody_looks_again(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.looks()
    await office.reports(aligned_count=0)
    await office.pass_seconds(LEASE_SECONDS + 1)
    await office.is_there()
    await office.looks()
    assert (await office.found(), len(await office.given())) == ([], 1)


async def test_an_edit_that_came_meanwhile_makes_it_void_and_is_looked_for_itself(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.looks()
    await office.happens(replace(edited(3, name="third"), estimated_count=1))
    await office.reports()
    assert await office.found() == []
    await office.pass_seconds(LEASE_SECONDS + 1)
    await office.is_there()
    await office.looks()
    assert await office.given() == [(2, 1, WORKER), (3, 1, WORKER)]


async def test_of_a_deleted_transcription_nothing_is_looked_for(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await happened(office.store, STREAM, deleted())  # The tables do not know it yet.
    await office.dispatcher.assign()
    assert await office.given() == []


async def test_nothing_is_looked_for_for_who_has_asked_to_be_erased(office: Office) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.looks()
    await happened(office.store, f"user-{ANNA}", registered(), erasure_requested())
    await office.reports()
    assert await office.found() == []


async def test_who_has_come_to_be_busy_gives_it_up_to_whoever_is_not_and_the_last_keeps_it(
    office: Office,
) -> None:
    await office.happens(*TYPED)
    await office.is_there()
    await office.looks()
    await office.pass_seconds(LEASE_SECONDS + 1)
    await office.is_there(aligning=TRANSCRIPTION_ID)
    await office.has_an_attempt(WORKER)
    await office.looks()
    assert await office.given() == [(2, 1, WORKER)]
    await office.is_there(OTHER_WORKER)
    await office.looks()
    assert await office.given() == [(2, 1, WORKER), (2, 2, OTHER_WORKER)]
    await office.pass_seconds(LEASE_SECONDS + 1)
    await office.is_there(OTHER_WORKER, aligning=TRANSCRIPTION_ID)
    await office.has_an_attempt(OTHER_WORKER)
    await office.is_there(identity("a third worker"))
    await office.looks()
    assert len(await office.given()) == 2


async def test_what_cannot_be_read_is_left_alone_for_so_long_that_others_have_their_turn(
    office: Office,
) -> None:
    await office.happens(*TYPED)
    office.store.is_detached = True
    asked_before = office.store.times_asked
    for _ in range(5):
        await office.is_there()
        await office.looks()
        await office.pass_seconds(LEASE_SECONDS + 1)
    assert office.store.times_asked == asked_before + 1
    office.store.is_detached = False
    await office.pass_seconds(AlignmentLimits().unread_seconds)
    await office.is_there()
    await office.looks()
    assert await office.given() == [(2, 1, WORKER)]
