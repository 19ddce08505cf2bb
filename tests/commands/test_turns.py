"""Commands about one owner: decided in turns, appended as chains, and none fails because there are many."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from commands.cancel_transcription import cancel_transcription
from commands.complete_transcription import complete_transcription
from commands.edit_transcript import edit_transcript
from commands.fail_attempt import fail_attempt
from commands.record_upload import record_upload
from commands.request_transcription import request_transcription
from commands.revising import Revised
from commands.start_transcription import start_transcription
from commands.streams import StateCache, Streams
from commands.turns import TURN_COMMANDS_MAX, TooManyAtOnce, Turns
from domain.errors import QuotaExceeded, StaleAttempt, TranscriptionExists
from domain.log import Address, Decision, StreamHead, StreamTail, VersionConflict
from domain.media_file import MEDIA_FILE, RecordUpload
from domain.ports import EventStoreUnavailable
from domain.quota import QUOTA, GrantQuota, ReserveQuota
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import CancelTranscription, CompleteTranscription, FailAttempt
from infrastructure.memory import InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from tests.builders import ANNA, BERT, FILE, LATER, NOON, WORKER, granted, result, uploaded
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import file_uploaded, happened, heard, quota_of, transcription_queued
from tests.commands.test_edit_transcript import change

CALLERS = 100
PATIENCE_SECONDS = 30.0
STREAM = QUOTA.stream_id(ANNA)


class WatchedStore(InMemoryEventStore):
    """Counts its calls, and before an append does what the test says."""

    def __init__(self) -> None:
        super().__init__(partition_count=4)
        self.chains: list[int] = []
        self.reads = 0
        self.before_appends: list[Callable[[], Awaitable[None]]] = []

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        self.reads += 1
        await asyncio.sleep(0)
        return await super().read_streams(heads, events_max, owner_id)

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        self.chains.append(len(decisions))
        await asyncio.sleep(0)
        if self.before_appends:
            await self.before_appends.pop(0)()
        return await super().append_chain(decisions)


async def many(call: Callable[[], Awaitable[object]], callers: int = CALLERS) -> list[object]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*(call() for _ in range(callers)), return_exceptions=True)


def count(answers: Sequence[object], kind: type) -> int:
    return sum(isinstance(answer, kind) for answer in answers)


def reserving(minutes: int = 1) -> Callable[[Streams], None]:
    command = ReserveQuota(user_id=ANNA, transcription_id=uuid4(), minutes=minutes, reserved_at=NOON)

    def decide(streams: Streams) -> None:
        streams.decide(QUOTA, ANNA, command)

    return decide


class Reservations:
    """Turns over a store, in which Anna reserves minutes."""

    def __init__(self, store: InMemoryEventStore, turns: Turns | None = None) -> None:
        self.store = store
        self.turns = turns or Turns(StateCache())

    async def reserve(self, minutes: int = 1) -> Address | None:
        return await self.decide(reserving(minutes))

    async def decide(self, decide: Callable[[Streams], object]) -> Address | None:
        return await self.turns.take(self.store, ANNA, [(QUOTA, ANNA)], decide, PROVENANCE)


async def rivals_first(store: WatchedStore, minutes: int) -> None:
    """Another process grants minutes just before the next append."""

    async def grant() -> None:
        await happened(store, STREAM, granted(minutes, grant=str(uuid4())))

    store.before_appends.append(grant)


async def test_many_commands_at_once_take_few_turns_and_share_their_round_trips() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(60))
    store.chains.clear()
    anna = Reservations(store)
    answers = await many(anna.reserve)
    assert (count(answers, Address), count(answers, QuotaExceeded)) == (60, 40)
    assert await quota_of(store) == (0, 60, 0)
    assert sum(store.chains) == 60
    assert store.reads <= 1 + CALLERS // TURN_COMMANDS_MAX + 1


async def test_each_command_is_answered_with_the_address_of_its_own_last_event() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(60))
    answers = await many(Reservations(store).reserve, 20)
    assert [answer.seq for answer in answers if isinstance(answer, Address)] == [*range(2, 22)]


async def test_commands_are_decided_in_the_order_in_which_they_came() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(10))
    anna = Reservations(store)
    answers = await asyncio.gather(
        *(anna.reserve(minutes) for minutes in (6, 5, 4)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Address, QuotaExceeded, Address]


async def test_what_another_process_did_first_is_decided_on() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(1))
    anna = Reservations(store)
    await rivals_first(store, 5)
    assert isinstance(await anna.reserve(1), Address)
    assert await quota_of(store) == (5, 1, 0)


async def test_a_refusal_that_stood_on_what_was_not_stored_is_decided_again() -> None:
    """The first of two takes what there is, and another process grants more before that is stored."""
    store = WatchedStore()
    await happened(store, STREAM, granted(1))
    anna = Reservations(store)
    await rivals_first(store, 1)
    assert count(await many(anna.reserve, 2), Address) == 2
    assert await quota_of(store) == (0, 2, 0)


async def test_a_refusal_is_decided_on_what_other_processes_have_stored() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(1))
    anna = Reservations(store)
    await anna.reserve()
    with pytest.raises(QuotaExceeded):
        await anna.reserve()
    await happened(store, STREAM, granted(1, grant="more"))
    assert isinstance(await anna.reserve(), Address)


async def test_a_conflict_that_does_not_end_is_given_up_at_the_deadline() -> None:
    class Contended(WatchedStore):
        async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
            self.chains.append(len(decisions))
            raise VersionConflict(STREAM, 1)

    store = Contended()
    anna = Reservations(store, Turns(StateCache(), conflict_seconds_max=0.3))
    grant = GrantQuota(user_id=ANNA, grant_id=uuid4(), minutes=1, granted_at=NOON)
    answers = await many(lambda: anna.decide(lambda streams: streams.decide(QUOTA, ANNA, grant)), 3)
    assert count(answers, TooManyAtOnce) == 3
    assert len(store.chains) > 1


async def test_who_waits_in_line_is_told_at_the_deadline_although_the_turn_before_hangs() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(60))
    hangs = asyncio.Event()
    store.before_appends.append(hangs.wait)  # type: ignore[arg-type]  # what it returns does not matter
    anna = Reservations(store, Turns(StateCache(), line_seconds_max=0.1))
    async with asyncio.timeout(PATIENCE_SECONDS):
        first = asyncio.create_task(anna.reserve())
        while not store.chains[1:]:
            await asyncio.sleep(0)
        with pytest.raises(TooManyAtOnce):
            await anna.reserve()
        hangs.set()
        assert isinstance(await first, Address)
    assert await quota_of(store) == (59, 1, 0)


async def test_a_full_line_refuses_at_once() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(60))
    anna = Reservations(store, Turns(StateCache(), waiting_max=5))
    answers = await many(anna.reserve, 8)
    assert (count(answers, Address), count(answers, TooManyAtOnce)) == (5, 3)
    assert await quota_of(store) == (55, 5, 0)


async def test_what_became_of_a_turn_without_an_answer_is_told_to_everybody_in_it() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(1))

    async def lose() -> None:
        raise EventStoreUnavailable

    store.before_appends.append(lose)
    anna = Reservations(store)
    assert count(await many(anna.reserve, 3), EventStoreUnavailable) == 3
    assert isinstance(await anna.reserve(), Address)


async def test_a_command_that_the_store_does_not_take_fails_alone() -> None:
    class Particular(WatchedStore):
        async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
            if any(decision.provenance.actor == "bad" for decision in decisions):
                raise UnicodeEncodeError("utf-8", "", 0, 1, "bad")
            return await super().append_chain(decisions)

    store = Particular()
    await happened(store, STREAM, granted(60))
    turns = Turns(StateCache())
    bad = replace(PROVENANCE, actor="bad")
    provenances = [PROVENANCE, PROVENANCE, bad, PROVENANCE]
    answers = await asyncio.gather(
        *(turns.take(store, ANNA, [(QUOTA, ANNA)], reserving(), each) for each in provenances),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [Address, Address, UnicodeEncodeError, Address]
    assert await quota_of(store) == (57, 3, 0)


async def test_a_command_whose_caller_gave_up_in_line_changes_nothing() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(60))
    anna = Reservations(store)
    callers = [asyncio.create_task(anna.reserve()) for _ in range(5)]
    await asyncio.sleep(0)
    callers[2].cancel()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(answer) for answer in answers] == [
        *[Address] * 2,
        asyncio.CancelledError,
        *[Address] * 2,
    ]
    assert await quota_of(store) == (56, 4, 0)


async def test_owners_do_not_wait_for_one_another() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(60))
    hangs = asyncio.Event()
    store.before_appends.append(hangs.wait)  # type: ignore[arg-type]  # what it returns does not matter
    anna = Reservations(store)
    first = asyncio.create_task(anna.reserve())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not store.chains[1:]:
            await asyncio.sleep(0)
        grant = GrantQuota(user_id=BERT, grant_id=uuid4(), minutes=1, granted_at=NOON)
        await anna.turns.take(
            store,
            BERT,
            [(QUOTA, BERT)],
            lambda streams: streams.decide(QUOTA, BERT, grant),
            PROVENANCE,
        )
        assert not first.done()
        hangs.set()
        await first


async def test_a_line_is_gone_when_nobody_waits_in_it() -> None:
    store = WatchedStore()
    await happened(store, STREAM, granted(60))
    anna = Reservations(store)
    await many(anna.reserve)
    await asyncio.sleep(0)
    assert not anna.turns._lines
    assert not anna.turns._tasks


# A hundred callers of each command on one stream: what it does happens once, and nobody meets a conflict.


async def test_a_hundred_request_the_same(store: InMemoryEventStore) -> None:
    await file_uploaded(store)
    answers = await many(lambda: request_transcription(FILE, ANNA, NOON, store, PROVENANCE))
    assert (count(answers, Address), count(answers, TranscriptionExists)) == (1, 99)
    assert await quota_of(store) == (58, 2, 0)


async def test_a_hundred_cancel_the_same(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    command = CancelTranscription(transcription_id=TRANSCRIPTION_ID, user_id=ANNA, cancelled_at=LATER)
    answers = await many(lambda: cancel_transcription(command, store, PROVENANCE))
    assert (count(answers, Address), count(answers, type(None))) == (1, 99)
    assert await quota_of(store) == (60, 0, 0)


async def test_a_hundred_start_the_same(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    answers = await many(lambda: start_transcription(TRANSCRIPTION_ID, uuid4(), NOON, store, PROVENANCE))
    assert (answers.count(1), count(answers, StaleAttempt)) == (1, 99)


async def test_a_hundred_complete_the_same(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await start_transcription(TRANSCRIPTION_ID, WORKER, NOON, store, PROVENANCE)
    command = CompleteTranscription(
        transcription_id=TRANSCRIPTION_ID, attempt=1, worker_id=WORKER, result=result(), completed_at=LATER
    )
    answers = await many(lambda: complete_transcription(command, store, PROVENANCE))
    assert (count(answers, Address), count(answers, type(None))) == (1, 99)
    assert await quota_of(store) == (58, 0, 2)


async def test_a_hundred_fail_the_same(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await start_transcription(TRANSCRIPTION_ID, WORKER, NOON, store, PROVENANCE)
    command = FailAttempt(
        transcription_id=TRANSCRIPTION_ID, attempt=1, reason="damaged", permanent=True, failed_at=LATER
    )
    answers = await many(lambda: fail_attempt(command, store, PROVENANCE))
    assert (count(answers, Address), count(answers, type(None))) == (1, 99)
    assert await quota_of(store) == (60, 0, 0)


async def test_a_hundred_record_the_same(
    store: InMemoryEventStore, objects: FolderObjectStore, tmp_path: Path
) -> None:
    recording = tmp_path / "recording"
    recording.write_bytes(b"sound")
    known = uploaded()
    command = RecordUpload(
        file_id=known.file_id,
        user_id=known.user_id,
        filename=known.filename,
        media_key=known.media_key,
        media_sha256=known.media_sha256,
        size_bytes=known.size_bytes,
        duration_seconds=known.duration_seconds,
        uploaded_at=known.uploaded_at,
    )
    answers = await many(lambda: record_upload(command, recording, store, objects, PROVENANCE))
    assert (count(answers, Address), count(answers, type(None))) == (1, 99)
    assert await objects.exists(command.media_key)
    assert len(await store.read_stream(MEDIA_FILE.stream_id(FILE))) == 1


async def test_a_hundred_edits_each_become_a_revision(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await heard(store, objects)
    words = iter(range(CALLERS))
    answers = await many(
        lambda: edit_transcript(change(f"Hello {next(words)}"), store, objects, PROVENANCE)
    )
    made = [answer.revision for answer in answers if isinstance(answer, Revised)]
    assert sorted(made) == list(range(2, CALLERS + 2))
    assert len(await store.read_stream(TRANSCRIPTION.stream_id(TRANSCRIPTION_ID))) == 3 + CALLERS
