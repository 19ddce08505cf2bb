"""Which commands share a group, and what becomes of a command when its group fails."""

import asyncio
from collections import deque
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.log import Address, Decision, StreamAppend, VersionConflict
from infrastructure.postgres.appending import new_events
from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.group_commit import GroupLimits, GroupWriter, Waiting, take_group
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.telemetry.metrics import COUNTED
from tests.builders import identity, uploaded
from tests.contracts.log_entries import append, heads, provenance
from tests.infrastructure.postgres.database import PARTITION_COUNT
from tests.keys import keys_on

OWNER = identity("owner")


def waiting(*streams: str) -> Waiting:
    appends = [append(OWNER, 1, stream=stream) for stream in streams]
    answer: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
    return Waiting(new_events([Decision(appends, provenance())], PARTITION_COUNT), answer)


async def test_commands_of_different_streams_share_a_group() -> None:
    line = deque([waiting("a"), waiting("b", "c")])
    assert len(take_group(line, GroupLimits())) == 2
    assert not line


async def test_two_commands_of_one_stream_never_share_a_group() -> None:
    first, rival, other = waiting("a", "b"), waiting("b", "c"), waiting("d")
    line = deque([first, rival, other])
    assert take_group(line, GroupLimits()) == [first, other]
    assert take_group(line, GroupLimits()) == [rival]


async def test_a_command_does_not_overtake_one_that_waits_for_its_stream() -> None:
    first, second, third = waiting("a"), waiting("a", "b"), waiting("b")
    line = deque([first, second, third])
    assert take_group(line, GroupLimits()) == [first]
    assert take_group(line, GroupLimits()) == [second]
    assert take_group(line, GroupLimits()) == [third]


async def test_a_group_is_bounded_in_commands() -> None:
    line = deque(waiting(f"s{number}") for number in range(5))
    assert [len(take_group(line, GroupLimits(commands_max=2))) for _ in range(3)] == [2, 2, 1]


async def test_a_group_is_bounded_in_bytes_and_a_command_over_the_bound_goes_alone() -> None:
    line = deque(waiting(f"s{number}") for number in range(3))
    limits = GroupLimits(bytes_max=1)
    assert [len(take_group(line, limits)) for _ in range(3)] == [1, 1, 1]


async def test_a_command_whose_caller_gave_up_is_left_out() -> None:
    given_up, still_there = waiting("a"), waiting("a")
    given_up.answer.cancel()
    assert take_group(deque([given_up, still_there]), GroupLimits()) == [still_there]


@given(
    commands=st.lists(st.sets(st.sampled_from("abcde"), min_size=1), max_size=20),
    commands_max=st.integers(1, 4),
    overtaken_max=st.integers(1, 4),
)
async def test_every_command_is_taken_once_and_each_stream_keeps_its_order(
    commands: list[set[str]], commands_max: int, overtaken_max: int
) -> None:
    limits = GroupLimits(commands_max=commands_max, overtaken_max=overtaken_max)
    arrived = [waiting(*streams) for streams in commands]
    line = deque(arrived)
    taken: list[Waiting] = []
    while line:
        group = take_group(line, limits)
        streams = [stream for each in group for stream in each.command.stream_ids]
        assert group
        assert len(streams) == len(set(streams))
        taken += group
    assert len(taken) == len(arrived)
    for stream in {stream for each in arrived for stream in each.command.stream_ids}:
        touching = [each for each in arrived if stream in each.command.stream_ids]
        assert [each for each in taken if stream in each.command.stream_ids] == touching


async def test_callers_at_the_same_time_share_a_commit(
    pool: Pool, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    await asyncio.gather(*(store.append([append(uuid4(), 1)], provenance()) for _ in range(100)))
    assert sum(await heads(log)) == 100
    commits = await pool.fetchval("select count(distinct xmin::text) from events")
    assert commits < 20


async def test_a_command_the_database_does_not_take_fails_alone(
    store: PostgresEventStore, log: PostgresEventLog
) -> None:
    answers = await asyncio.gather(
        *(store.append([append(uuid4(), 1)], provenance()) for _ in range(10)),
        store.append([append(uuid4(), 1)], provenance(actor="no\0text")),
        *(store.append([append(uuid4(), 1)], provenance()) for _ in range(10)),
        return_exceptions=True,
    )
    refused = answers.pop(10)
    assert isinstance(refused, asyncpg.PostgresError)
    assert all(isinstance(answer, Address) for answer in answers)
    assert sum(await heads(log)) == 20


async def test_a_command_that_cannot_be_encoded_fails_alone(
    store: PostgresEventStore, log: PostgresEventLog
) -> None:
    odd = replace(uploaded(), filename="\ud800")
    file = StreamAppend(
        stream_id=f"file-{odd.file_id}", owner_id=odd.user_id, expected_version=0, events=[odd]
    )
    answers = await asyncio.gather(
        *(store.append([append(uuid4(), 1)], provenance()) for _ in range(10)),
        store.append([file], provenance()),
        *(store.append([append(uuid4(), 1)], provenance()) for _ in range(10)),
        return_exceptions=True,
    )
    assert isinstance(answers.pop(10), UnicodeEncodeError)
    assert all(isinstance(answer, Address) for answer in answers)
    assert sum(await heads(log)) == 20


async def test_conflicts_of_a_group_leave_no_gap(store: PostgresEventStore, log: PostgresEventLog) -> None:
    owners = [UUID(int=number) for number in range(40)]
    for owner_id in owners[::2]:
        await store.append([append(owner_id, 1)], provenance())
    answers = await asyncio.gather(
        *(store.append([append(owner_id, 1, 2)], provenance()) for owner_id in owners),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [VersionConflict, Address] * 20
    for partition, head in enumerate(await heads(log)):
        records = await log.read(partition, 0, 100)
        assert [record.seq for record in records] == [*range(1, head + 1)]
    assert sum(await heads(log)) == 60


async def test_when_the_writer_ends_everybody_who_waits_is_told(pool: Pool) -> None:
    writer = GroupWriter(pool, GroupLimits(), deadline_seconds=60)
    async with pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("lock table log_partitions in access exclusive mode")
        writing = asyncio.create_task(writer.run())
        callers = [asyncio.create_task(writer.append(waiting(stream).command)) for stream in "aabc"]
        await asyncio.sleep(0)
        writing.cancel()
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 4
    with pytest.raises(DatabaseUnavailable):
        await writer.append(waiting("d").command)


async def test_a_full_line_refuses_at_once(pool: Pool) -> None:
    writer = GroupWriter(pool, GroupLimits(waiting_max=2), deadline_seconds=60)
    callers = [asyncio.create_task(writer.append(waiting(stream).command)) for stream in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailable):
        await writer.append(waiting("c").command)
    for caller in callers:
        caller.cancel()


async def test_leaving_the_store_writes_what_is_in_line(pool: Pool) -> None:
    async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store:
        callers = [
            asyncio.create_task(store.append([append(uuid4(), 1)], provenance())) for _ in range(600)
        ]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*callers)
    assert len(set(answers)) == 600


async def test_a_store_that_is_left_while_the_database_hangs_tells_its_callers(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infrastructure.postgres.store.LEAVE_SECONDS_MAX", 0.1)
    async with pool.acquire() as blocker, blocker.transaction():
        async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store:
            await blocker.execute("lock table log_partitions in access exclusive mode")
            caller = asyncio.create_task(store.append([append(OWNER, 1)], provenance()))
            await asyncio.sleep(0)
            was_writing = store.is_writing
        assert (was_writing, store.is_writing) == (True, False)
        with pytest.raises(DatabaseUnavailable):
            await caller


async def test_groups_and_conflicts_are_counted(store: PostgresEventStore) -> None:
    def counted(name: str) -> float:
        return COUNTED.get_sample_value(f"stenolog_{name}") or 0

    owner_id = uuid4()
    names = ("version_conflicts_total", "group_commands_count", "group_commands_sum")
    before = [counted(name) for name in names]
    await asyncio.gather(*(store.append([append(uuid4(), 1)], provenance()) for _ in range(20)))
    await store.append([append(owner_id, 1)], provenance())
    with pytest.raises(VersionConflict):
        await store.append([append(owner_id, 2)], provenance())
    conflicts, groups, commands = (counted(name) - was for name, was in zip(names, before, strict=True))
    assert conflicts == 1
    assert commands == 22
    assert groups < 22


async def test_each_command_of_a_chain_counts(store: PostgresEventStore) -> None:
    before = COUNTED.get_sample_value("stenolog_group_commands_sum") or 0
    chain = [Decision([append(OWNER, 1, at=version)], provenance()) for version in range(3)]
    await store.append_chain(chain)
    assert COUNTED.get_sample_value("stenolog_group_commands_sum") == before + 3
