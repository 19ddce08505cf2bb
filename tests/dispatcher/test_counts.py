"""Who waits is counted as the queue is folded; a user who waits and is not counted would never be served."""

from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from domain.events import Event
from tests.builders import NOON, attempt_failed, cancelled, completed, failed, identity, requested, started
from tests.dispatcher.rigs import Rig, postgres_rig

USERS = ("anna", "bert", "carl")
FILES = 4
STEPS = 60

WRONG = """
select user_id, u.waiting, q.jobs
from dispatch_users u
full join (select user_id, count(*) as jobs from dispatch_queue where status = 'queued' group by user_id) q
    using (user_id)
where coalesce(u.waiting, 0) <> coalesce(q.jobs, 0)
"""


class Life:
    """Of one file: a queue's worth of what may happen to it, in an order that may be."""

    def __init__(self, user: str, number: int) -> None:
        self._ids = {"user_id": identity(user), "transcription_id": identity(f"{user}'s {number}")}
        self._status = "absent"
        self._attempt = 0

    def next(self, random: Random) -> list[Event]:
        match self._status:
            case "absent":
                self._status = "queued"
                at = NOON.replace(microsecond=random.randrange(1_000_000))
                return [replace(requested(), requested_at=at, **self._ids)]
            case "queued":
                return self._started() if random.random() < 0.8 else self._over(cancelled(self._attempt))
            case _:
                return self._ended(random)

    def _started(self) -> list[Event]:
        self._status, self._attempt = "running", self._attempt + 1
        return [replace(started(self._attempt), **self._ids)]

    def _over(self, *events: Any) -> list[Event]:
        self._status = "absent"
        return [replace(event, **self._ids) for event in events]

    def _ended(self, random: Random) -> list[Event]:
        fault = attempt_failed(self._attempt)
        match random.choice(["success", "again", "failure", "cancel"]):
            case "success":
                return self._over(completed(self._attempt))
            case "failure":
                return self._over(fault, failed(self._attempt))
            case "cancel":
                return self._over(cancelled(self._attempt))
            case _:
                self._status = "queued"
                return [replace(fault, **self._ids)]


@pytest.mark.parametrize("seed", range(8))
async def test_the_counts_are_those_of_the_queue_however_events_fall_into_batches(
    connections: "asyncpg.Pool[Any]", seed: int
) -> None:
    random, rig = Random(seed), await postgres_rig(connections)
    lives = [Life(user, number) for user in USERS for number in range(FILES)]
    batch: list[Event] = []
    for _ in range(STEPS):
        batch += random.choice(lives).next(random)
        if random.random() < 0.3:
            await rig.queue(*batch)
            assert await connections.fetch(WRONG) == []
            batch = []
    queued = await connections.fetch("select distinct user_id from dispatch_queue where status = 'queued'")
    await rig.pass_seconds(60)
    assert await _waiting(rig) == {row["user_id"] for row in queued}


async def _waiting(rig: Rig) -> set[UUID]:
    return {user.user_id for user in await rig.tables.waiting_users(1, [])}
