"""Whether a token's user is still one, looked up now and then."""

import asyncio
from uuid import UUID, uuid4

from api.known_users import KNOWN_SECONDS, KNOWN_USERS_MAX, KnownUsers

ANNA, BERT = UUID(int=1), UUID(int=2)


class Users:
    """A directory that counts who was looked up in it, and a clock."""

    def __init__(self, *there: UUID) -> None:
        self.there = set(there)
        self.looked_up: list[UUID] = []
        self.now = 0.0
        self.known = KnownUsers(self.look, lambda: self.now)

    async def look(self, user_id: UUID) -> bool:
        self.looked_up.append(user_id)
        return user_id in self.there


async def test_somebody_found_is_not_looked_up_again_at_each_request() -> None:
    users = Users(ANNA)
    assert [await users.known.knows(ANNA) for _ in range(3)] == [True] * 3
    assert users.looked_up == [ANNA]


async def test_nobody_is_looked_up_each_time_as_he_may_have_come() -> None:
    users = Users()
    assert not await users.known.knows(BERT)
    users.there.add(BERT)
    assert await users.known.knows(BERT)


async def test_who_was_forgotten_or_seen_long_ago_is_looked_up_anew() -> None:
    users = Users(ANNA)
    await users.known.knows(ANNA)
    users.there.clear()
    assert await users.known.knows(ANNA)
    users.known.forget(ANNA)
    assert not await users.known.knows(ANNA)

    users.there.add(ANNA)
    await users.known.knows(ANNA)
    users.there.clear()
    users.now += KNOWN_SECONDS
    assert not await users.known.knows(ANNA)


async def test_only_so_many_are_remembered() -> None:
    crowd = [uuid4() for _ in range(KNOWN_USERS_MAX + 10)]
    users = Users(*crowd)
    for user_id in crowd:
        await users.known.knows(user_id)
    users.looked_up.clear()
    await users.known.knows(crowd[-1])
    assert users.looked_up == []
    await users.known.knows(crowd[0])
    assert users.looked_up == [crowd[0]]


async def test_a_crowd_of_one_user_is_looked_up_once() -> None:
    looks: list[UUID] = []
    answered = asyncio.Event()

    async def look(user_id: UUID) -> bool:
        looks.append(user_id)
        await answered.wait()
        return True

    known = KnownUsers(look)
    crowd = [asyncio.create_task(known.knows(UUID(int=1))) for _ in range(100)]
    await asyncio.sleep(0)
    crowd.pop().cancel()
    answered.set()
    assert all(await asyncio.gather(*crowd))
    assert len(looks) == 1
