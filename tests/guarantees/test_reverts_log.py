"""The log's order and its versions, with the lock and the checks of the append function, and without them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from commands.request_transcription import request_transcription
from domain.events import Event
from domain.log import Address, Decision, Provenance, StreamAppend, StreamHead, StreamTail
from domain.ports import EventStore
from domain.quota import QUOTA
from domain.snapshots import Snapshot
from tests.builders import ANNA, NOON, granted, identity, uploaded
from tests.contracts.log_entries import append, provenance
from tests.guarantees.following import Findings, Hold, tail_under_fire
from tests.guarantees.logs import OurLog, our_log
from tests.infrastructure.kafka.messages import until
from tests.infrastructure.postgres.database import PARTITION_COUNT, fresh_database
from tests.stack.servers import Database

LOCK = "order by partition for update"
NEXT = "head.seq + row_number() over (partition by asked.partition order by asked.place)"


def changed(*replacements: tuple[str, str]) -> str:
    """Puts these replacements into the append function."""
    checked = "".join(
        f"assert strpos(append, $old${old}$old$) > 0; append := replace(append, $old${old}$old$, $new${new}$new$);"
        for old, new in replacements
    )
    definition = "pg_get_functiondef('append_events_v2'::regproc)"
    return f"do $do$ declare append text := {definition}; begin {checked} execute append; end $do$"


UNLOCKED = changed((LOCK, "order by partition"))
NUMBERED_BY_A_SEQUENCE = changed(
    (LOCK, "order by partition"), (NEXT, "nextval('numbers_' || asked.partition)")
)
SEQUENCES = ";".join(f"create sequence numbers_{partition}" for partition in range(PARTITION_COUNT))
VERSIONS_MAY_REPEAT = "alter table events drop constraint events_stream_id_version_key"


async def two_writers_of_a_partition(log: OurLog) -> Address | BaseException:
    """What the second one gets, who came while the first had not yet committed."""
    async with log.clients.acquire() as first, log.clients.acquire() as second:
        transaction = first.transaction()
        await transaction.start()
        [store, other] = log.stores
        await store.append_within(first, [append(UUID(int=0), 1)], provenance())
        answer = asyncio.create_task(
            other.append_within(second, [append(UUID(int=PARTITION_COUNT), 1)], provenance())
        )
        await until(lambda: _waits(log, second.get_server_pid()))
        await transaction.commit()
        return (await asyncio.gather(answer, return_exceptions=True))[0]


async def _waits(log: OurLog, process_id: int) -> bool:
    waiting = "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1"
    return bool(await log.clients.fetchval(waiting, process_id))


async def test_two_writers_of_a_partition_follow_each_other(postgres: Database) -> None:
    async with fresh_database(postgres) as url, our_log(url, 0) as log:
        assert await two_writers_of_a_partition(log) == Address(0, 2)


async def test_without_the_lock_the_second_writer_is_refused(postgres: Database) -> None:
    async with fresh_database(postgres) as url, our_log(url, 0, UNLOCKED) as log:
        answer = await two_writers_of_a_partition(log)
    assert type(answer).__name__ == "UniqueViolationError"


async def test_numbers_given_under_the_lock_are_followed_without_a_miss(postgres: Database) -> None:
    async with fresh_database(postgres) as url, our_log(url, 0) as log:
        findings, total = await tail_under_fire(log, Hold(seconds_max=1.0))
        assert findings == Findings()
        assert sum([await log.log.head(each) for each in range(PARTITION_COUNT)]) == total


async def test_numbers_from_a_sequence_are_skipped_and_leave_gaps(postgres: Database) -> None:
    async with fresh_database(postgres) as url, our_log(url, 0, SEQUENCES, NUMBERED_BY_A_SEQUENCE) as log:
        findings, total = await tail_under_fire(log, Hold())
        assert findings.skipped > 0
        assert sum([await log.log.head(each) for each in range(PARTITION_COUNT)]) > total


class BothAtOnce:
    """The store of one of two processes that read a stream together: what they decide, they decide about the same."""

    def __init__(self, store: EventStore, stream_id: str, barrier: asyncio.Barrier) -> None:
        self._store = store
        self._stream_id = stream_id
        self._barrier = barrier
        self._has_met = False

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        tails = await self._store.read_streams(heads, events_max, owner_id)
        if self._stream_id in heads and not self._has_met:
            self._has_met = True
            await self._barrier.wait()
        return tails

    async def read_stream(self, stream_id: str) -> Sequence[Event]:
        return await self._store.read_stream(stream_id)

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        return await self._store.append(appends, provenance)

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        return await self._store.append_chain(decisions)

    async def read_snapshots(self, stream_ids: Collection[str]) -> Mapping[str, Snapshot]:
        return await self._store.read_snapshots(stream_ids)

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        await self._store.write_snapshot(snapshot)


async def minutes_left_after_two_requests(stores: Sequence[EventStore]) -> int:
    """There is enough for one of them."""
    store = stores[0]
    files = [identity("one file"), identity("another")]
    await store.append([append(ANNA, events=[granted(3)])], provenance())
    for file_id in files:
        entry = StreamAppend(
            stream_id=f"file-{file_id}",
            owner_id=ANNA,
            expected_version=0,
            events=[uploaded(file_id=file_id)],
        )
        await store.append([entry], provenance())
    barrier = asyncio.Barrier(2)
    async with asyncio.timeout(30):
        await asyncio.gather(
            *(
                request_transcription(
                    file_id, ANNA, NOON, BothAtOnce(each, f"quota-{ANNA}", barrier), provenance()
                )
                for file_id, each in zip(files, stores, strict=True)
            ),
            return_exceptions=True,
        )
    quota = QUOTA.fold(await store.read_stream(f"quota-{ANNA}"))  # type: ignore[arg-type]  # its own events
    return quota.minutes_available


async def test_versions_keep_two_requests_from_spending_the_same_minutes(postgres: Database) -> None:
    async with fresh_database(postgres) as url, our_log(url, 0) as log:
        assert await minutes_left_after_two_requests(log.stores) == 1


async def test_without_the_check_of_versions_minutes_are_spent_twice(postgres: Database) -> None:
    async with fresh_database(postgres) as url, our_log(url, 0, VERSIONS_MAY_REPEAT) as log:
        assert await minutes_left_after_two_requests(log.stores) == -1
