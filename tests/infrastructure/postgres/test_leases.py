"""Leases: every slot has one holder, members share evenly, and who cannot renew has nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.ports import Leases
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.pool import Pool

SLOTS = 8
LONG_LEASE_SECONDS = 60.0
SHORT_LEASE_SECONDS = 1.0
PATIENCE_SECONDS = 20.0


def member(
    pool: Pool, *, role: str = "relay", slots: int = SLOTS, lease_seconds: float = LONG_LEASE_SECONDS
) -> PostgresLeases:
    return PostgresLeases(pool, role, slots, uuid4(), lease_seconds)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_one_member_holds_every_slot(pool: Pool) -> None:
    only = member(pool)
    assert isinstance(only, Leases)
    assert set(await only.renew()) == set(range(SLOTS)) == set(only.held)


async def test_two_members_share(pool: Pool) -> None:
    first, second = member(pool), member(pool)
    await first.renew()
    assert set(await second.renew()) == set()
    kept = set(await first.renew())
    taken = set(await second.renew())
    assert len(kept) == len(taken) == SLOTS / 2
    assert kept | taken == set(range(SLOTS))


async def test_roles_do_not_know_each_other(pool: Pool) -> None:
    relay, projector = member(pool), member(pool, role="projector", slots=2)
    assert len(await relay.renew()) == SLOTS
    assert set(await projector.renew()) == {0, 1}


async def test_members_that_join_together_share_at_once(pool: Pool) -> None:
    members = [member(pool) for _ in range(3)]
    for _ in range(3):
        await asyncio.gather(*(each.renew() for each in members))
    assert sorted(len(each.held) for each in members) == [2, 3, 3]
    assert set().union(*(each.held for each in members)) == set(range(SLOTS))


async def test_more_members_than_slots_leave_some_with_nothing(pool: Pool) -> None:
    members = [member(pool, slots=2) for _ in range(4)]
    for _ in range(2):
        for each in members:
            await each.renew()
    assert sorted(len(each.held) for each in members) == [0, 0, 1, 1]


async def test_what_a_member_releases_is_free_at_once(pool: Pool) -> None:
    first, second = member(pool), member(pool)
    await first.renew()
    await first.release()
    assert set(first.held) == set()
    assert len(await second.renew()) == SLOTS


async def test_a_member_that_dies_is_replaced_when_its_lease_is_over(pool: Pool) -> None:
    dying, heir = member(pool, lease_seconds=SHORT_LEASE_SECONDS), member(pool)
    await dying.renew()
    await heir.renew()

    async def heir_has_everything() -> bool:
        return len(await heir.renew()) == SLOTS

    await eventually(heir_has_everything)


async def test_a_frozen_member_knows_that_it_has_lost_its_slots_before_another_gets_them(
    pool: Pool,
) -> None:
    frozen, heir = member(pool, lease_seconds=SHORT_LEASE_SECONDS), member(pool)
    assert len(await frozen.renew()) == SLOTS

    async def heir_has_some() -> bool:
        return bool(await heir.renew())

    await eventually(heir_has_some)
    assert set(frozen.held) == set()
    assert set(await frozen.renew()).isdisjoint(heir.held)


async def test_a_lease_counts_from_before_it_was_asked_for(pool: Pool) -> None:
    seconds = iter([0.0, LONG_LEASE_SECONDS - 1, LONG_LEASE_SECONDS])
    leases = PostgresLeases(
        pool, "relay", SLOTS, uuid4(), LONG_LEASE_SECONDS, monotonic=lambda: next(seconds)
    )
    assert len(await leases.renew()) == SLOTS
    assert set(leases.held) == set()


async def test_without_the_database_slots_are_held_until_the_lease_is_over(pool: Pool) -> None:
    leases = member(pool, lease_seconds=SHORT_LEASE_SECONDS)
    await leases.renew()
    await pool.close()
    assert len(await leases.renew()) == SLOTS

    async def nothing_is_held() -> bool:
        return not await leases.renew()

    await eventually(nothing_is_held)
    await leases.release()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["renew", "renew", "release"])), max_size=25
    )
)
async def test_no_slot_ever_has_two_holders_and_all_come_to_rest_evenly(
    pool: Pool, steps: list[tuple[int, str]]
) -> None:
    role = f"role {uuid4()}"
    members = [member(pool, role=role) for _ in range(4)]
    for number, step in steps:
        await (members[number].renew() if step == "renew" else members[number].release())
        stored = await pool.fetch("select slot, owner_id from leases where role = $1", role)
        assert len({row["slot"] for row in stored}) == len(stored)
    for _ in range(3):
        for each in members:
            await each.renew()
    assert [len(each.held) for each in members] == [2] * 4
    assert sorted(slot for each in members for slot in each.held) == [*range(SLOTS)]


def grouped(pool: Pool, *, slots: int = SLOTS, width: int = 4) -> PostgresLeases:
    return PostgresLeases(pool, "relay", slots, uuid4(), LONG_LEASE_SECONDS, width=width)


async def test_slots_that_belong_together_have_one_holder(pool: Pool) -> None:
    first, second = grouped(pool), grouped(pool)
    assert set(await first.renew()) == set(range(SLOTS))
    await second.renew()
    assert {tuple(await each.renew()) for each in (first, second)} == {(0, 1, 2, 3), (4, 5, 6, 7)}


async def test_the_last_group_may_be_smaller(pool: Pool) -> None:
    members = [grouped(pool, slots=6) for _ in range(3)]
    for _ in range(2):
        for each in members:
            await each.renew()
    assert sorted(tuple(each.held) for each in members) == [(), (0, 1, 2, 3), (4, 5)]


async def test_a_group_is_claimed_when_nobody_holds_a_part_of_it(pool: Pool) -> None:
    single, group = member(pool), grouped(pool)
    await single.renew()
    assert set(await group.renew()) == set()
    assert set(await single.renew()) == {0, 1, 2, 3}
    assert set(await group.renew()) == {4, 5, 6, 7}
    await single.release()
    assert set(await group.renew()) == set(range(SLOTS))


async def test_a_member_of_the_version_before_claims_nothing_that_a_group_holds(pool: Pool) -> None:
    group, earlier = grouped(pool), uuid4()
    await group.renew()
    claim = "select renew_leases_v1('relay', $1, $2, $3)"
    assert await pool.fetchval(claim, SLOTS, earlier, LONG_LEASE_SECONDS) == []
    assert set(await group.renew()) == {0, 1, 2, 3}
    assert await pool.fetchval(claim, SLOTS, earlier, LONG_LEASE_SECONDS) == [4, 5, 6, 7]


async def test_a_member_of_migration_016_shares_with_one_that_renews_in_short(pool: Pool) -> None:
    ours, earlier = grouped(pool), uuid4()
    claim = "select renew_leases_v2('relay', $1, $2, $3, 4)"
    await ours.renew()
    assert set(await ours.renew()) == set(range(SLOTS))
    assert await pool.fetchval(claim, SLOTS, earlier, LONG_LEASE_SECONDS) == []
    assert set(await ours.renew()) == {0, 1, 2, 3}
    assert await pool.fetchval(claim, SLOTS, earlier, LONG_LEASE_SECONDS) == [4, 5, 6, 7]
    assert set(await ours.renew()) == {0, 1, 2, 3}


async def test_what_is_renewed_in_short_outlives_the_lease_that_was_claimed(pool: Pool) -> None:
    ours, rival = (member(pool, lease_seconds=SHORT_LEASE_SECONDS) for _ in range(2))
    await ours.renew()
    ends = "select min(expires_at) from (select expires_at from leases union all select expires_at from lease_members) l"
    claimed = await pool.fetchval(ends)
    assert set(await ours.renew()) == set(range(SLOTS))
    assert await pool.fetchval(ends) > claimed
    assert set(await rival.renew()) == set()


async def test_who_waits_for_a_renewal_hears_what_is_held_and_that_it_has_run_out(pool: Pool) -> None:
    ours = member(pool, lease_seconds=SHORT_LEASE_SECONDS)
    async with asyncio.timeout(PATIENCE_SECONDS):
        waiting = asyncio.create_task(ours.next_renewal())
        await asyncio.sleep(0)
        await ours.renew()
        assert set(await waiting) == set(range(SLOTS))
        assert set(await ours.next_renewal()) == set()  # Nobody renews any more.
