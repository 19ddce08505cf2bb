"""Who is served when: simulations over the picking code and the tables, in memory and in PostgreSQL.

Each look, grant and fold is the real one; only the workers are pretended, who take a second for a second of sound.
"""

from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from uuid import UUID

import pytest
from msgspec.structs import replace

from dispatcher.pick import Assignment, pick
from dispatcher.ports import AttemptKey, Lease
from schemas.messages import WorkerReady
from tests.builders import NOON, completed, identity, job, requested, started
from tests.dispatcher.rigs import Rig

LEASE_SECONDS = 1e6
SILENCE_SECONDS = 1e6
HOUR = 3_600.0
WORKERS = 4


@dataclass
class Simulation:
    """`starts` says whose jobs began, one after the other, and how long they are."""

    rig: Rig
    slots: int
    starts: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count()
        self._names: dict[UUID, str] = {}
        self._running: list[tuple[float, int, Assignment]] = []
        self._seconds: dict[UUID, float] = {}
        self._now = 0.0

    async def open(self) -> "Simulation":
        rest = self.slots
        for number in range(WORKERS):
            slots = rest // (WORKERS - number)
            rest -= slots
            ready = WorkerReady(worker_id=identity(f"worker {number}"), engine="none", slots=slots)
            if slots:
                await self.rig.tables.announce([ready], LEASE_SECONDS)
        return self

    async def request(self, name: str, jobs: int, seconds: float) -> None:
        user_id = identity(name)
        self._names[user_id] = name
        events = [
            replace(
                requested(user_id=user_id, transcription_id=identity(f"{name} {next(self._numbers)}")),
                job=job(duration_seconds=seconds),
            )
            for _ in range(jobs)
        ]
        self._seconds |= {event.transcription_id: seconds for event in events}
        await self.rig.queue(*events)

    async def look(self) -> None:
        """Fills the free slots, as the dispatcher does."""
        workers = await self.rig.tables.free_workers(SILENCE_SECONDS)
        free_slots = sum(worker.free_slots for worker in workers)
        if free_slots:
            users = await self.rig.tables.waiting_users(min(free_slots, 64), [])
            virtual_seconds = await self.rig.tables.virtual_seconds()
            for assignment in pick(users, workers, virtual_seconds)[:64]:
                await self._start(assignment)

    async def _start(self, assignment: Assignment) -> None:
        key = assignment.job.transcription_id
        lease = Lease(
            transcription_id=key,
            attempt=1,
            worker_id=assignment.worker_id,
            user_id=assignment.user_id,
            requested_at=NOON,
        )
        await self.rig.tables.grant(lease, LEASE_SECONDS, assignment.job.charge_seconds)
        await self.rig.queue(
            started(user_id=lease.user_id, transcription_id=key, worker_id=assignment.worker_id)
        )
        self.starts.append((self._names[assignment.user_id], self._seconds[key]))
        heappush(self._running, (self._now + self._seconds[key], next(self._numbers), assignment))

    async def finish_next(self) -> None:
        """The job that is done first is done, and its slot is filled again."""
        self._now, _, assignment = heappop(self._running)
        key = assignment.job.transcription_id
        await self.rig.tables.end(AttemptKey(key, 1), assignment.worker_id)
        await self.rig.queue(completed(user_id=assignment.user_id, transcription_id=key))
        await self.look()

    async def run(self, starts_max: int = 10_000) -> None:
        """Until so many jobs have begun, or all are done."""
        await self.look()
        while self._running and len(self.starts) < starts_max:
            await self.finish_next()

    def names(self) -> list[str]:
        return [name for name, _ in self.starts]

    def sound(self) -> Counter[str]:
        """Seconds begun, by user."""
        seconds: Counter[str] = Counter()
        for name, each in self.starts:
            seconds[name] += round(each)
        return seconds


@pytest.mark.parametrize("slots", [1, 2, 100])
async def test_a_single_file_is_next_whatever_another_user_has_waiting(rig: Rig, slots: int) -> None:
    simulation = await Simulation(rig, slots).open()
    await simulation.request("anna", 25 if slots < 25 else 2 * slots, 60.0)
    await simulation.look()
    assert simulation.names() == ["anna"] * min(64, slots)
    while len(simulation.starts) < slots:
        await simulation.look()
    await simulation.request("bert", 1, 4.0)
    await simulation.finish_next()
    assert simulation.names()[slots] == "bert"


@pytest.mark.parametrize("slots", [1, 2, 100])
async def test_everything_is_done_in_the_end(rig: Rig, slots: int) -> None:
    simulation = await Simulation(rig, slots).open()
    for number in range(8):
        await simulation.request(f"user {number}", number + 1, 10.0 * (number + 1))
    await simulation.run()
    assert Counter(simulation.names()) == {f"user {number}": number + 1 for number in range(8)}


async def test_long_files_do_not_count_like_notes(rig: Rig) -> None:
    """Over any time in which both wait, they differ by what two of the longest files last."""
    simulation = await Simulation(rig, 1).open()
    await simulation.request("anna", 6, 10 * HOUR)
    await simulation.request("bert", 200, HOUR / 4)
    await simulation.run(starts_max=170)
    sound = simulation.sound()
    assert sound["bert"] > 100 * HOUR / 4
    assert abs(sound["anna"] - sound["bert"]) <= 2 * 10 * HOUR


@pytest.mark.parametrize("slots", [2, 100])
async def test_who_has_fewer_running_is_next_however_much_they_were_served(rig: Rig, slots: int) -> None:
    simulation = await Simulation(rig, slots).open()
    await simulation.request("anna", 1, 10 * HOUR)
    await simulation.run()
    await simulation.request("anna", slots, HOUR)
    await simulation.request("bert", slots, 4.0)
    while len(simulation.starts) < slots + 1:
        await simulation.look()
    running = Counter(simulation.names()[1:])
    assert running == {"anna": slots // 2, "bert": slots // 2}


async def test_being_away_is_no_merit(rig: Rig) -> None:
    simulation = await Simulation(rig, 1).open()
    await simulation.request("bert", 1, 60.0)
    await simulation.run()
    await simulation.request("anna", 100, 60.0)
    await simulation.run(starts_max=51)
    await simulation.request("bert", 20, 60.0)
    await simulation.run(starts_max=71)
    since = Counter(simulation.names()[51:])
    assert abs(since["anna"] - since["bert"]) <= 2


async def test_whoever_comes_waits_for_one_job_of_each_at_the_most_also_of_those_who_are_owed_much(
    rig: Rig,
) -> None:
    simulation = await Simulation(rig, 1).open()
    await simulation.request("anna", 2, 10 * HOUR)
    await simulation.look()
    await simulation.request("bert", 25, 60.0)
    await simulation.finish_next()
    await simulation.request("carl", 1, 4.0)
    await simulation.run()
    assert simulation.names().index("carl") <= 3


async def test_a_stream_of_new_users_keeps_nobody_waiting_for_ever(rig: Rig) -> None:
    simulation = await Simulation(rig, 1).open()
    await simulation.request("anna", 2, 600.0)
    for number in range(3):
        await simulation.request(f"new {number}", 1, 60.0)
    await simulation.look()
    for number in range(3, 100):
        await simulation.request(f"new {number}", 1, 60.0)
        await simulation.finish_next()
    assert simulation.names()[0] == "anna"
    # Ten notes for each of the three or four who wait at a time are as much as anna had.
    assert "anna" in simulation.names()[1:60]
