"""The write side's view of the log: versions are checked, and an append is whole or not at all."""

import asyncio
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.events import Event
from domain.log import Address, Decision, StreamHead, StreamTail, VersionConflict
from domain.ports import EventLog, EventStore
from schemas.partitions import partition_of
from tests.builders import ANNA, BERT, requested, reserved
from tests.contracts.log_entries import append, grants, heads, provenance
from tests.infrastructure.postgres.database import PARTITION_COUNT


async def test_a_stream_nobody_appended_to_is_empty(store: EventStore) -> None:
    assert list(await store.read_stream("quota-nobody")) == []


async def test_a_stream_gives_back_what_was_appended_in_order(store: EventStore) -> None:
    await store.append([append(ANNA, 1, 2)], provenance())
    await store.append([append(ANNA, 3, at=2)], provenance())
    assert list(await store.read_stream(f"quota-{ANNA}")) == grants(ANNA, 1, 2, 3)


async def test_streams_of_one_owner_are_apart(store: EventStore) -> None:
    await store.append([append(ANNA, 1), append(ANNA, 2, stream="other")], provenance())
    assert list(await store.read_stream(f"quota-{ANNA}")) == grants(ANNA, 1)
    assert list(await store.read_stream(f"other-{ANNA}")) == grants(ANNA, 2)


async def test_an_append_answers_with_the_address_of_its_last_event(store: EventStore) -> None:
    partition = partition_of(ANNA, PARTITION_COUNT)
    assert await store.append([append(ANNA, 1, 2)], provenance()) == Address(partition, 2)
    assert await store.append([append(ANNA, 3, at=2)], provenance()) == Address(partition, 3)


@pytest.mark.parametrize("expected_version", [0, 1, 3, 9])
async def test_an_append_at_another_version_is_refused(store: EventStore, expected_version: int) -> None:
    await store.append([append(ANNA, 1, 2)], provenance())
    with pytest.raises(VersionConflict) as refused:
        await store.append([append(ANNA, 3, at=expected_version)], provenance())
    assert refused.value.stream_id == f"quota-{ANNA}"
    assert refused.value.expected_version == expected_version
    assert list(await store.read_stream(f"quota-{ANNA}")) == grants(ANNA, 1, 2)


async def test_a_stream_that_does_not_exist_is_at_version_0(store: EventStore) -> None:
    with pytest.raises(VersionConflict):
        await store.append([append(ANNA, 1, at=1)], provenance())


async def test_an_append_to_several_streams_is_whole_or_not_at_all(
    store: EventStore, log: EventLog
) -> None:
    await store.append([append(ANNA, 60)], provenance())
    before = await heads(log)
    with pytest.raises(VersionConflict) as refused:
        await store.append(
            [
                append(ANNA, stream="a", events=[requested()]),
                append(ANNA, events=[reserved(2)], at=0),
                append(ANNA, stream="z", events=[requested()]),
            ],
            provenance(),
        )
    assert refused.value.stream_id == f"quota-{ANNA}"
    assert await heads(log) == before
    assert list(await store.read_stream(f"a-{ANNA}")) == []


async def test_events_of_several_streams_lie_side_by_side(store: EventStore, log: EventLog) -> None:
    last = await store.append(
        [
            append(ANNA, stream="transcription", events=[requested()]),
            append(ANNA, events=[reserved(2)]),
        ],
        provenance(),
    )
    records = await log.read(last.partition, last.seq - 2, 10)
    assert [record.type for record in records] == ["TranscriptionRequested", "QuotaReserved"]


async def test_one_append_has_one_owner(store: EventStore) -> None:
    with pytest.raises(ValueError, match="one owner"):
        await store.append([append(ANNA, 1), append(BERT, 1)], provenance())


async def test_one_append_names_each_stream_once(store: EventStore) -> None:
    with pytest.raises(ValueError, match="each stream once"):
        await store.append([append(ANNA, 1), append(ANNA, 2, at=1)], provenance())


async def test_an_append_of_nothing_is_a_mistake(store: EventStore) -> None:
    with pytest.raises(ValueError, match="one owner"):
        await store.append([], provenance())
    with pytest.raises(ValueError, match="without events"):
        await store.append([append(ANNA)], provenance())


async def test_of_many_rivals_for_a_version_exactly_one_wins(store: EventStore) -> None:
    rivals = [store.append([append(ANNA, minutes)], provenance()) for minutes in range(1, 31)]
    answers = await asyncio.gather(*rivals, return_exceptions=True)
    assert sum(isinstance(answer, Address) for answer in answers) == 1
    assert sum(isinstance(answer, VersionConflict) for answer in answers) == 29
    assert len(await store.read_stream(f"quota-{ANNA}")) == 1


async def test_a_conflict_does_not_disturb_those_who_append_at_the_same_time(store: EventStore) -> None:
    await store.append([append(ANNA, 1)], provenance())
    others = [uuid4() for _ in range(20)]
    answers = await asyncio.gather(
        *(store.append([append(other, 1)], provenance()) for other in others[:10]),
        store.append([append(ANNA, 2)], provenance()),
        *(store.append([append(other, 1)], provenance()) for other in others[10:]),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [*[Address] * 10, VersionConflict, *[Address] * 10]


async def test_appends_of_one_caller_after_another_never_conflict(store: EventStore) -> None:
    async def person(owner_id: UUID) -> None:
        for version in range(20):
            await store.append([append(owner_id, version + 1, at=version)], provenance())

    people = [uuid4() for _ in range(16)]
    await asyncio.gather(*(person(owner_id) for owner_id in people))
    for owner_id in people:
        assert list(await store.read_stream(f"quota-{owner_id}")) == grants(owner_id, *range(1, 21))


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["anna", "bert", "carl"]),
        st.dictionaries(
            st.sampled_from("abc"), st.tuples(st.integers(0, 4), st.integers(1, 3)), min_size=1
        ),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
async def test_a_store_does_what_a_dictionary_of_lists_would(
    store: EventStore, moves: list[tuple[str, dict[str, tuple[int, int]]]]
) -> None:
    people = {name: uuid4() for name in ("anna", "bert", "carl")}
    model: dict[tuple[UUID, str], list[int]] = {}
    for name, streams in moves:
        owner_id = people[name]
        appends = [
            append(owner_id, *range(1, count + 1), at=at, stream=stream)
            for stream, (at, count) in streams.items()
        ]
        fits = all(len(model.get((owner_id, stream), [])) == at for stream, (at, _) in streams.items())
        try:
            await store.append(appends, provenance())
        except VersionConflict:
            assert not fits
        else:
            assert fits
            for stream, (_, count) in streams.items():
                model.setdefault((owner_id, stream), []).extend(range(1, count + 1))
    for (owner_id, stream), minutes in model.items():
        assert list(await store.read_stream(f"{stream}-{owner_id}")) == grants(owner_id, *minutes)


async def test_streams_are_read_on_from_where_they_were_known(store: EventStore) -> None:
    quota, other, nobody = f"quota-{ANNA}", f"other-{ANNA}", "quota-nobody"
    beginning = dict.fromkeys([quota, other, nobody], StreamHead())
    await store.append([append(ANNA, 1, 2), append(ANNA, 3, stream="other")], provenance())
    first = await store.read_streams(beginning, 100)
    assert {each: list(tail.events) for each, tail in first.items()} == {
        quota: grants(ANNA, 1, 2),
        other: grants(ANNA, 3),
        nobody: [],
    }
    assert [tail.head.version for tail in first.values()] == [2, 1, 0]
    await store.append([append(ANNA, 4, at=2)], provenance())
    heads = {each: tail.head for each, tail in first.items()}
    then = await store.read_streams(heads, 100)
    assert {each: list(tail.events) for each, tail in then.items()} == {
        quota: grants(ANNA, 4),
        other: [],
        nobody: [],
    }
    assert {each: tail.after for each, tail in then.items()} == heads
    assert [tail.head.version for tail in then.values()] == [3, 1, 0]


@pytest.mark.parametrize("version", [1, 2, 7])
async def test_a_stream_that_does_not_hold_what_was_known_is_read_from_its_beginning(
    store: EventStore, version: int
) -> None:
    stream_id = f"quota-{ANNA}"
    await store.append([append(ANNA, 1, 2)], provenance())
    tails = await store.read_streams({stream_id: StreamHead(version, uuid4())}, 100)
    assert tails[stream_id].after == StreamHead()
    assert list(tails[stream_id].events) == grants(ANNA, 1, 2)


async def test_a_stream_that_is_gone_is_at_its_beginning(store: EventStore) -> None:
    tails = await store.read_streams({"quota-nobody": StreamHead(3, uuid4())}, 100)
    assert tails["quota-nobody"] == StreamTail(after=StreamHead(), events=[], head=StreamHead())


async def test_a_long_read_is_cut_off_and_goes_on_where_it_was(store: EventStore) -> None:
    await store.append([append(ANNA, *range(1, 8)), append(ANNA, 8, 9, stream="other")], provenance())
    heads = {f"quota-{ANNA}": StreamHead(), "quota-nobody": StreamHead(), f"other-{ANNA}": StreamHead()}
    found: dict[str, list[Event]] = {each: [] for each in heads}
    reads = 0
    is_complete = False
    while not is_complete:
        tails = await store.read_streams(heads, 4)
        reads += 1
        for stream_id, tail in tails.items():
            assert tail.after == heads[stream_id]
            heads[stream_id] = tail.head
            found[stream_id] += tail.events
        is_complete = sum(len(tail.events) for tail in tails.values()) < 4
    assert list(found.values()) == [grants(ANNA, *range(1, 8)), [], grants(ANNA, 8, 9)]
    assert reads >= 2


async def test_who_reads_at_the_same_moment_gets_what_each_asked_for(store: EventStore) -> None:
    owners = [uuid4() for _ in range(20)]
    for minutes, owner_id in enumerate(owners, start=1):
        await store.append([append(owner_id, minutes)], provenance())
    tails = await asyncio.gather(
        *(store.read_streams({f"quota-{each}": StreamHead()}, 100) for each in owners)
    )
    found = [{stream_id: list(tail.events) for stream_id, tail in each.items()} for each in tails]
    assert found == [
        {f"quota-{owner_id}": grants(owner_id, minutes)} for minutes, owner_id in enumerate(owners, start=1)
    ]


async def test_a_stream_is_read_at_the_same_moment_from_where_each_knows_it(store: EventStore) -> None:
    stream_id = f"quota-{ANNA}"
    await store.append([append(ANNA, 1, 2)], provenance())
    head = (await store.read_streams({stream_id: StreamHead()}, 100))[stream_id].head
    await store.append([append(ANNA, 3, at=2)], provenance())
    tails = await asyncio.gather(
        *(store.read_streams({stream_id: each}, 100) for each in (StreamHead(), head, StreamHead()))
    )
    assert [list(each[stream_id].events) for each in tails] == [
        grants(ANNA, 1, 2, 3),
        grants(ANNA, 3),
        grants(ANNA, 1, 2, 3),
    ]


async def test_a_long_read_takes_nothing_from_a_short_one_of_the_same_moment(store: EventStore) -> None:
    long, short = f"quota-{ANNA}", f"quota-{BERT}"
    await store.append([append(ANNA, *range(1, 8))], provenance())
    await store.append([append(BERT, 9)], provenance())
    tails = await asyncio.gather(*(store.read_streams({each: StreamHead()}, 4) for each in (long, short)))
    assert list(tails[1][short].events) == grants(BERT, 9)
    assert 0 < len(tails[0][long].events) < 7


async def test_a_chain_is_appended_in_its_order_and_each_decision_has_its_address(
    store: EventStore, log: EventLog
) -> None:
    one, other = provenance(actor="one"), provenance(actor="other")
    chain = [
        Decision([append(ANNA, 1), append(ANNA, 2, stream="a")], one),
        Decision([append(ANNA, 3, at=1), append(ANNA, 4, stream="b")], other),
        Decision([append(ANNA, 5, at=2)], one),
    ]
    addresses = await store.append_chain(chain)
    partition = partition_of(ANNA, PARTITION_COUNT)
    assert addresses == [Address(partition, seq) for seq in (2, 4, 5)]
    records = await log.read(partition, 0, 10)
    assert [(record.stream_id[0], record.version, record.actor) for record in records] == [
        ("q", 1, "one"),
        ("a", 1, "one"),
        ("q", 2, "other"),
        ("b", 1, "other"),
        ("q", 3, "one"),
    ]


async def test_a_chain_that_meets_a_conflict_anywhere_is_not_appended(
    store: EventStore, log: EventLog
) -> None:
    await store.append([append(ANNA, 1, stream="taken")], provenance())
    before = await heads(log)
    chain = [
        Decision([append(ANNA, 1)], provenance()),
        Decision([append(ANNA, 2, at=1), append(ANNA, 2, stream="taken")], provenance()),
        Decision([append(ANNA, 3, at=2)], provenance()),
    ]
    with pytest.raises(VersionConflict) as refused:
        await store.append_chain(chain)
    assert refused.value.stream_id == f"taken-{ANNA}"
    assert await heads(log) == before


async def test_a_decision_that_does_not_stand_on_the_one_before_is_a_mistake(store: EventStore) -> None:
    chain = [Decision([append(ANNA, 1, 2)], provenance()), Decision([append(ANNA, 3, at=1)], provenance())]
    with pytest.raises(ValueError, match="does not stand on the one before"):
        await store.append_chain(chain)
