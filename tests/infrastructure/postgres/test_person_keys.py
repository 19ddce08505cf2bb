"""The keys of people in PostgreSQL: one for each, the same for all who ask, and never again after it was erased."""

import asyncio
from uuid import UUID

import pytest

from domain.errors import PersonErased
from infrastructure.master_keys import MasterKeyMissing, MasterKeyWrong, master_keys
from infrastructure.postgres.errors import DatabaseNotMigrated
from infrastructure.postgres.person_keys import KEPT_SECONDS, PostgresPersonKeys, fitting_person_keys
from infrastructure.postgres.pool import Pool, create_pool
from tests.builders import ANNA, BERT, identity
from tests.keys import MASTER_KEYS, MASTER_KEYS_TEXT, NEW_SECRET, OLD_SECRET, as_setting, keys_on

CALLERS = 100
ROTATED = as_setting(new=NEW_SECRET, test=OLD_SECRET)


class Hours:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


async def wrapped_by(pool: Pool) -> dict[UUID, str | None]:
    rows = await pool.fetch("select owner_id, master_key from person_keys")
    return {row["owner_id"]: row["master_key"] for row in rows}


async def test_a_key_is_made_once_and_found_by_other_processes(pool: Pool) -> None:
    key = await keys_on(pool).provide(ANNA)
    assert (await keys_on(pool).provide(ANNA)).secret == key.secret
    found = await keys_on(pool).of([ANNA, BERT])
    assert {owner_id: each and each.secret for owner_id, each in found.items()} == {ANNA: key.secret}


async def test_a_hundred_callers_of_many_processes_get_the_same_key(pool: Pool) -> None:
    processes = [keys_on(pool) for _ in range(10)]
    keys = await asyncio.gather(*(processes[each % 10].provide(ANNA) for each in range(CALLERS)))
    assert len({key.secret for key in keys}) == 1
    assert await pool.fetchval("select count(*) from person_keys") == 1


async def test_the_key_is_not_in_the_table(pool: Pool) -> None:
    key = await keys_on(pool).provide(ANNA)
    assert key.secret not in await pool.fetchval("select wrapped from person_keys")


async def test_an_erased_key_is_told_from_one_that_never_was(pool: Pool) -> None:
    keys = keys_on(pool)
    await keys.provide(ANNA)
    await keys.erase(ANNA)
    for each in (keys, keys_on(pool)):
        assert await each.of([ANNA, BERT]) == {ANNA: None}


async def test_the_key_of_an_erased_person_is_never_made_again(pool: Pool) -> None:
    keys = keys_on(pool)
    await keys.provide(ANNA)
    await keys.erase(ANNA)
    await keys.erase(ANNA)
    await keys.erase(BERT)  # Who never had one.
    for owner_id in (ANNA, BERT):
        for each in (keys, keys_on(pool)):
            with pytest.raises(PersonErased):
                await each.provide(owner_id)
    assert await wrapped_by(pool) == {ANNA: None, BERT: None}


async def test_those_who_race_an_erasure_do_not_bring_the_key_back(pool: Pool) -> None:
    """Whoever was first: in the end there is a tombstone, and nobody gets a key any more."""
    for number in range(10):
        owner_id = identity(f"erased {number}")
        racers = [keys_on(pool) for _ in range(8)]
        erasing = [racers[0].erase(owner_id), racers[1].erase(owner_id)]
        providing = [each.provide(owner_id) for each in racers]
        await asyncio.gather(*providing, *erasing, return_exceptions=True)
        assert await wrapped_by(pool) | {owner_id: None} == await wrapped_by(pool)
        with pytest.raises(PersonErased):
            await keys_on(pool).provide(owner_id)


async def test_a_kept_key_is_forgotten_after_a_minute_or_when_told_to(pool: Pool) -> None:
    hours = Hours()
    keys = PostgresPersonKeys(pool, MASTER_KEYS, monotonic=hours)
    await keys.provide(ANNA)
    await keys_on(pool).erase(ANNA)  # By another process.
    assert (await keys.of([ANNA]))[ANNA] is not None
    hours.seconds += KEPT_SECONDS
    assert await keys.of([ANNA]) == {ANNA: None}

    await keys.provide(BERT)
    await keys_on(pool).erase(BERT)
    keys.forget(BERT)
    assert await keys.of([BERT]) == {BERT: None}


async def test_no_more_keys_are_kept_than_there_is_room_for(pool: Pool) -> None:
    keys = PostgresPersonKeys(pool, MASTER_KEYS, kept_max=2)
    people = [identity(f"person {number}") for number in range(5)]
    secrets = [(await keys.provide(each)).secret for each in people]
    found = await keys.of(people)
    assert [found[each].secret for each in people] == secrets  # type: ignore[union-attr]  # nobody was erased
    await pool.execute("delete from person_keys")
    assert len(await keys.of(people)) == 2


async def test_rotation_wraps_all_keys_anew_in_small_batches(pool: Pool) -> None:
    before = keys_on(pool)
    people = [identity(f"person {number}") for number in range(25)]
    secrets = {each: (await before.provide(each)).secret for each in people}
    await before.erase(BERT)
    after = keys_on(pool, master_keys(ROTATED))
    assert [await after.rewrap(10) for _ in range(4)] == [10, 10, 5, 0]
    assert await wrapped_by(pool) == {**dict.fromkeys(people, "new"), BERT: None}
    only_new = keys_on(pool, master_keys(as_setting(new=NEW_SECRET)))
    found = await only_new.of(people)
    assert {each: key and key.secret for each, key in found.items()} == secrets


async def test_two_processes_rotate_together(pool: Pool) -> None:
    people = [identity(f"person {number}") for number in range(40)]
    for each in people:
        await keys_on(pool).provide(each)

    async def rotate(keys: PostgresPersonKeys) -> int:
        return sum([await keys.rewrap(5) for _ in range(10)])

    done = await asyncio.gather(*(rotate(keys_on(pool, master_keys(ROTATED))) for _ in range(2)))
    assert sum(done) == len(people)
    assert set((await wrapped_by(pool)).values()) == {"new"}


async def test_master_keys_that_do_not_fit_are_refused_at_start(pool: Pool) -> None:
    await fitting_person_keys(pool, as_setting(other=NEW_SECRET))  # Nothing is wrapped yet.
    await keys_on(pool).provide(ANNA)
    await fitting_person_keys(pool, MASTER_KEYS_TEXT)
    await fitting_person_keys(pool, ROTATED)
    with pytest.raises(MasterKeyMissing, match="the master key test"):
        await fitting_person_keys(pool, as_setting(other=NEW_SECRET))
    with pytest.raises(MasterKeyWrong, match="test is another key"):
        await fitting_person_keys(pool, as_setting(test=NEW_SECRET))


async def test_each_of_several_master_keys_is_looked_at(pool: Pool) -> None:
    for name, owner_id in (("a", ANNA), ("b", BERT), ("c", identity("cleo"))):
        secret = OLD_SECRET if name == "a" else NEW_SECRET[::-1] if name == "b" else NEW_SECRET
        await keys_on(pool, master_keys(as_setting(**{name: secret}))).provide(owner_id)
    with pytest.raises(MasterKeyWrong, match=": c is another"):
        await fitting_person_keys(pool, as_setting(a=OLD_SECRET, b=NEW_SECRET[::-1], c=bytes(32)))


async def test_without_the_table_it_is_said_what_to_do(empty_database_url: str) -> None:
    async with await create_pool(empty_database_url) as empty:
        with pytest.raises(DatabaseNotMigrated):
            await fitting_person_keys(empty, MASTER_KEYS_TEXT)
