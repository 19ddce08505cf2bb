"""Rows that are kept in memory: the same tables as without them, in one round trip."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.migration import QUEUE
from domain.events import Event
from infrastructure.memory import InMemoryEventStore
from infrastructure.postgres.errors import DatabaseNotMigrated
from projections.batches import PartitionBatch
from projections.checkpoints import Checkpoint
from projections.in_hand import InHand
from projections.kept_rows import KeptRows
from projections.models import READ_MODELS, migrate
from projections.rebuild import rebuild
from projections.users import UserRow
from tests.builders import granted, identity, registered
from tests.keys import READING
from tests.projections.feeds import HeldLeases
from tests.projections.lives import ENDS, life
from tests.projections.running import checkpoints_of, contents, new_runner
from tests.projections.stepping import (
    PARTITIONS,
    ROWS_MAX,
    RewrittenLog,
    SteppedProjector,
    back_up,
    empty,
    fail_over,
)
from tests.projections.telling import told

Pool = asyncpg.Pool
USERS_PER_PARTITION = 2
TURNS_MAX = 60

LIVES: Final[Sequence[Sequence[Event]]] = [
    [
        event
        for number in range(USERS_PER_PARTITION)
        for step in life(f"user {partition}.{number}", ENDS[(2 + partition + number) % len(ENDS)])
        for event in step
    ]
    for partition in range(PARTITIONS)
]
"""By partition, what may happen there: in any order, since a fold takes events as they come."""


class Step(NamedTuple):
    what: str
    projector: int = 0
    number: int = 0


class World:
    """Two projectors that both believe they own every partition, and everything that can happen to them."""

    def __init__(self, pool: "Pool[Any]") -> None:
        self.pool = pool
        self.log = RewrittenLog()
        self.backed_up_heads = self.log.heads()
        self.projectors = [SteppedProjector(pool, self.log) for _ in range(2)]

    async def take(self, step: Step) -> None:
        doing: dict[str, Callable[[SteppedProjector, int], Awaitable[None]]] = {
            "happens": self._happens,
            "turn": self._turn,
            "cut": self._cut,
            "answer lost": self._answer_lost,
            "other meanwhile": self._other_meanwhile,
            "forget": self._forget,
            "own": self._own,
            "back up": self._back_up,
            "failover": self._fail_over,
            "rebuild": self._rebuild,
        }
        await doing[step.what](self.projectors[step.projector], step.number)

    async def settle(self) -> None:
        """Until everything is folded; both take turns, own everything again, and look whether they do."""
        for _ in range(TURNS_MAX):
            for projector in self.projectors:
                await projector.own(*range(PARTITIONS))
            if await self._is_settled():
                return
        pytest.fail("the projectors came to no end")

    async def _is_settled(self) -> bool:
        async with self.pool.acquire() as connection:
            there = await checkpoints_of(connection)
        return there == {
            (name, partition): head
            for partition, head in enumerate(self.log.heads())
            for name in READ_MODELS
        }

    async def _happens(self, _: SteppedProjector, number: int) -> None:
        partition = number % PARTITIONS
        self.log.append(partition, LIVES[partition][number % len(LIVES[partition])])

    async def _turn(self, projector: SteppedProjector, _: int) -> None:
        await projector.turn()

    async def _cut(self, projector: SteppedProjector, _: int) -> None:
        projector.pool.is_cut = True
        await projector.turn()

    async def _answer_lost(self, projector: SteppedProjector, _: int) -> None:
        projector.pool.loses_answer = True
        await projector.turn()

    async def _other_meanwhile(self, projector: SteppedProjector, _: int) -> None:
        [other] = [each for each in self.projectors if each is not projector]
        projector.pool.meanwhile = other.turn
        await projector.turn()

    async def _forget(self, projector: SteppedProjector, _: int) -> None:
        projector.forget()

    async def _own(self, projector: SteppedProjector, number: int) -> None:
        await projector.own(*[each for each in range(PARTITIONS) if number >> each & 1])

    async def _back_up(self, _: SteppedProjector, __: int) -> None:
        await back_up(self.pool)
        self.backed_up_heads = self.log.heads()

    async def _fail_over(self, _: SteppedProjector, __: int) -> None:
        await fail_over(self.pool)
        self.log.cut(self.backed_up_heads)

    async def _rebuild(self, _: SteppedProjector, number: int) -> None:
        projection = list(READ_MODELS.values())[number % len(READ_MODELS)]
        async with self.pool.acquire() as connection:
            await rebuild(connection, self.log, projection, READING, lambda _folded, _there: None)  # type: ignore[arg-type]  # as much of a log as it needs


def steps() -> st.SearchStrategy[list[Step]]:
    """Mostly events and turns; a rebuild, which takes long, now and then."""
    often = st.sampled_from(["happens"] * 6 + ["turn"] * 4 + ["other meanwhile", "answer lost", "cut"])
    seldom = st.sampled_from(["forget", "own", "back up", "failover", "failover", "rebuild"])
    anything = st.builds(Step, often | often | often | seldom, st.integers(0, 1), st.integers(0, 999))
    some = st.lists(anything, max_size=10)
    return st.lists(some | some | lost_and_replaced(), max_size=6).map(lambda parts: list(chain(*parts)))


@st.composite
def lost_and_replaced(draw: st.DrawFn) -> list[Step]:
    """Events are folded, lost by a failover and replaced by as many others, so that no number tells.

    Chance alone seldom comes upon that.
    """
    first, second = draw(st.permutations(range(2)))
    partition, numbers = draw(st.integers(0, PARTITIONS - 1)), st.integers(0, 400)
    lost, instead = draw(st.tuples(numbers, numbers)), draw(st.tuples(numbers, numbers))

    def happen(drawn: Sequence[int]) -> list[Step]:
        return [Step("happens", number=number * PARTITIONS + partition) for number in drawn]

    all_turn = [Step("turn", first)] * 2
    folded_and_lost = [*all_turn, Step("back up"), *happen(lost), *all_turn, Step("failover")]
    return [
        *folded_and_lost,
        *happen(instead),
        *[Step("turn", second)] * 2,
        *happen([draw(numbers)]),
        *all_turn,
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps())
async def test_whatever_happens_the_tables_hold_the_fold_of_the_log(
    pool: "Pool[Any]", steps: list[Step]
) -> None:
    await empty(pool)
    world = World(pool)
    for step in steps:
        await world.take(step)
    await world.settle()
    assert await contents(pool) == told([record for records in world.log.records for record in records])


async def test_rows_that_another_projector_wrote_after_a_failover_are_not_taken_for_those_kept(
    pool: "Pool[Any]",
) -> None:
    """Its checkpoint has come exactly as far: the stamp alone tells."""
    await empty(pool)
    world = World(pool)
    first, second = world.projectors
    user_id = identity("anna")
    world.log.append(0, registered(user_id=user_id))
    await first.turn()
    await world.take(Step("back up"))
    world.log.append(0, granted(10, user_id=user_id))
    await first.turn()
    await world.take(Step("failover"))
    world.log.append(0, granted(60, user_id=user_id))
    await second.turn()
    world.log.append(0, granted(1, user_id=user_id))
    await first.turn()
    assert await pool.fetchval("select minutes_granted from quota") == 61


async def test_a_batch_onto_kept_rows_takes_one_round_trip(pool: "Pool[Any]") -> None:
    await empty(pool)
    world = World(pool)
    [projector, _] = world.projectors
    user_id = identity("anna")
    for event in (registered(user_id=user_id), granted(60, user_id=user_id), granted(1, user_id=user_id)):
        world.log.append(0, event)
        await projector.turn()
    projector.pool.asked.clear()
    world.log.append(0, granted(2, user_id=user_id))
    await projector.turn()
    assert projector.pool.asked == ["fetchval"]
    assert await pool.fetchval("select minutes_granted from quota") == 63


async def test_a_table_that_was_mended_by_a_rebuild_is_folded_on(pool: "Pool[Any]") -> None:
    """The checkpoint is where it was, and the rows are others."""
    await empty(pool)
    world = World(pool)
    [projector, _] = world.projectors
    user_id = identity("anna")
    for event in (registered(user_id=user_id), granted(60, user_id=user_id)):
        world.log.append(0, event)
        await projector.turn()
    await pool.execute("update quota set minutes_granted = 7")
    projector.forget()
    world.log.append(0, granted(1, user_id=user_id))
    await projector.turn()
    assert await pool.fetchval("select minutes_granted from quota") == 8
    await world.take(Step("rebuild", number=list(READ_MODELS).index("quota")))
    world.log.append(0, granted(2, user_id=user_id))
    await projector.turn()
    assert await pool.fetchval("select minutes_granted from quota") == 63


async def test_a_table_with_writes_of_others_is_never_kept(pool: "Pool[Any]") -> None:
    reached = {0: Checkpoint({QUEUE.name: 0}, stamp=identity("a stamp"))}
    async with pool.acquire() as connection:
        assert await InHand([QUEUE], READING).apply(connection, reached, {0: PartitionBatch([])}) is None


async def test_a_database_of_the_version_before_is_to_be_migrated(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await pool.execute("alter table projection_checkpoints drop column stamp")
    with pytest.raises(DatabaseNotMigrated, match="stenolog migrate"):
        await new_runner(pool, store, leases=HeldLeases([0])).run()
    async with pool.acquire() as connection:
        await migrate(connection)
    assert await pool.fetchval("select count(stamp) from projection_checkpoints") == 0


def test_rows_that_nobody_touched_for_longest_make_room() -> None:
    kept = KeptRows[UserRow](ROWS_MAX)
    kept.keep({identity(name): _user(name) for name in "abc"})
    assert [row.email for row in kept.take([identity("a")]).values()] == ["a"]
    kept.keep({identity("a"): _user("a again"), identity("d"): _user("d")})
    assert [row.email for row in kept.take(map(identity, "abcd")).values()] == ["a again", "c", "d"]
    assert kept.take(map(identity, "abcd")) == {}


def _user(name: str) -> UserRow:
    event = registered(user_id=UUID(int=1), email=name)
    return UserRow(event.user_id, name, event.registered_at, event.registered_at, 0)
