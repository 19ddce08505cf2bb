"""One run: a system, load, faults, quiet, the oracle's verdict."""

import asyncio
import re
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from embedded.brokers import Choice
from embedded.kafka import ApacheKafka
from embedded.noida import Noida
from embedded.supervisor import Say
from infrastructure.object_store.opening import open_object_store
from tests.chaos import oracle
from tests.chaos.burst_oracle import check_bursts
from tests.chaos.client import SimulatedClient
from tests.chaos.company import company_of
from tests.chaos.crowd import Crowd
from tests.chaos.erasure_oracle import check_erasures
from tests.chaos.faults import Fault, schedule
from tests.chaos.idle_sockets import idle_sockets
from tests.chaos.ledger import Ledger
from tests.chaos.quiet import NeverQuiet, topic_at_head, until_settled
from tests.chaos.report import Report
from tests.chaos.saboteur import Saboteur
from tests.end_to_end.installation import Installation, start, stop
from tests.end_to_end.story import Log, read_log
from tests.media import write_tone

LEASE_SECONDS: Final = 2
ATTEMPT_LEASE_SECONDS: Final = 3
LASTING_SECONDS: Final = (4.0, 7.0)
"""Longer than every lease."""
STANDSTILL_SECONDS: Final = 120.0
"""Longer than any retry of a process that finds nothing to be well."""
TOPIC_SECONDS: Final = 30.0
ARRIVE_SECONDS: Final = 120.0
LOAD_ENDS_SECONDS: Final = 60.0
"""How long a client may take to see that it is over: all its requests have deadlines."""
BROKERS: Final = {ApacheKafka.name, Noida.name}
"""The names under which `up` runs them."""
RECORDING_SECONDS: Final = (2.0, 7.5, 15.0, 31.0, 62.0)
CROWD_SECONDS: Final = 15.0
"""Of a recording of the crowd: it costs a minute, and few are done before they are cancelled."""
SETTINGS: Final[Mapping[str, object]] = {
    "engine": "scripted",
    "scripted_speed": 30,
    "window_seconds": 5,
    "lease_seconds": LEASE_SECONDS,
    "attempt_lease_seconds": ATTEMPT_LEASE_SECONDS,
    "ready_interval_seconds": 0.5,
    "worker_slots": 2,
    "free_minutes": 20,
    "login_attempts_per_minute": 100_000,
    "erasure_settle_seconds": 3,
}

ENDED = re.compile(r"^(.+) ended with code (-?\d+) ", re.MULTILINE)


class Plan(Struct, frozen=True, kw_only=True):
    seed: int
    seconds: float
    fault_count: int
    client_count: int = 16
    crowd_size: int = 100
    """Commands that one user sends at the same moment, again and again."""
    idle_count: int = 1_000
    """Connections that are held open and say nothing."""
    broker: Choice = ""
    """Apache Kafka or, where that cannot be had, noida-db, unless one is named."""

    def faults_on(self, broker: str) -> list[Fault]:
        return schedule(self.seed, self.seconds, self.fault_count, broker, LASTING_SECONDS)


async def run(plan: Plan, folder: Path, say: Say) -> Report:
    """`folder` takes all that the system keeps. Violations are in the report; a system that does not start raises."""
    began = time.monotonic()
    say(f"seed {plan.seed}: starting the broker and the rest in {folder}")
    running = await start(folder, broker=plan.broker, **SETTINGS)
    (broker,) = BROKERS & running.processes().keys()
    ledger = Ledger()
    try:
        async with (
            company_of(running, SETTINGS, say) as company,
            _clients(plan, [running.url, company.url], folder, ledger) as clients,
            idle_sockets(plan.idle_count, [running.url, company.url], ledger),
        ):
            await _calm_burst(clients, ledger, say)
            saboteur = Saboteur(running, company, plan.faults_on(broker))
            say(f"{broker}: {len(clients)} clients, {plan.fault_count} faults in {plan.seconds:.0f} s")
            await _load_under_fire(plan.seconds, clients, saboteur, ledger, say)
            checks, log = await _verdict(running, ledger, say)
    finally:
        await stop(running)
    return Report(
        seed=plan.seed,
        broker=broker,
        load_seconds=plan.seconds,
        elapsed_seconds=time.monotonic() - began,
        faults=_by_kind(saboteur),
        faults_missed=saboteur.missed.total(),
        commands=ledger.by_kind(),
        statuses=ledger.statuses,
        reads=ledger.reads,
        bursts=len(ledger.bursts),
        idle_sockets=ledger.idle_sockets,
        ended_by_themselves=_ends(running) + company.ends,
        events=Counter(record.type for record in oracle.records_of(log)),
        checks=checks,
    )


@asynccontextmanager
async def _clients(
    plan: Plan, urls: list[str], folder: Path, ledger: Ledger
) -> AsyncIterator[Sequence[SimulatedClient]]:
    """Logged in, one after the other: passwords are made to cost time."""
    recordings = [
        write_tone(folder / f"tone-{seconds}.wav", seconds=seconds) for seconds in RECORDING_SECONDS
    ]
    clients = [
        SimulatedClient(number, plan.seed, urls, recordings, ledger) for number in range(plan.client_count)
    ]
    if plan.crowd_size:
        tone = write_tone(folder / "crowd.wav", seconds=CROWD_SECONDS)
        clients.append(Crowd(plan.crowd_size, plan.seed, urls, tone, ledger))
    try:
        async with asyncio.timeout(ARRIVE_SECONDS):
            for client in clients:
                await client.arrives()
        yield clients
    finally:
        await asyncio.gather(*(client.leaves() for client in clients))


async def _calm_burst(clients: Sequence[SimulatedClient], ledger: Ledger, say: Say) -> None:
    """Before anything else happens, but with the idle sockets."""
    for crowd in (client for client in clients if isinstance(client, Crowd)):
        accepted = await crowd.asks(calm=True)
        say(f"{accepted} of {crowd.size} accepted at once, beside {ledger.idle_sockets} idle sockets")
        await crowd.cancels()


async def _load_under_fire(
    seconds: float,
    clients: Sequence[SimulatedClient],
    saboteur: Saboteur,
    ledger: Ledger,
    say: Say,
) -> None:
    stop_working = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        working = [group.create_task(client.works(stop_working)) for client in clients]
        fire = group.create_task(saboteur.works())
        sayer = group.create_task(_say_progress(ledger, saboteur, say))
        await asyncio.sleep(seconds)  # the load lasts as long as was asked for
        await fire
        stop_working.set()
        sayer.cancel()
        async with asyncio.timeout(LOAD_ENDS_SECONDS):
            await asyncio.wait(working)


async def _say_progress(ledger: Ledger, saboteur: Saboteur, say: Say) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(10)
        say(
            f"  {time.monotonic() - began:.0f} s: {len(ledger.commands)} commands, {saboteur.done.total()} faults"
        )


async def _verdict(running: Installation, ledger: Ledger, say: Say) -> tuple[list[oracle.Check], Log]:
    began = time.monotonic()
    try:
        await until_settled(running, STANDSTILL_SECONDS, say)
        quiet = oracle.check("everything that was accepted is settled", len(ledger.commands), [])
    except NeverQuiet as problem:
        quiet = oracle.check(
            "everything that was accepted is settled", len(ledger.commands), [str(problem)]
        )
    say(f"quiet after {time.monotonic() - began:.0f} s; comparing")
    async with running.database() as database, open_object_store(running.settings.object_store) as objects:
        log = await read_log(database)
        topic = await topic_at_head(running, log, TOPIC_SECONDS, forgetful=running.forgetful)
        return [
            quiet,
            *oracle.check_answers(ledger, log),
            *oracle.check_reads(ledger),
            *check_bursts(ledger.bursts, log),
            *await oracle.check_story(database, log, running.settings),
            oracle.check_topic(topic, log, forgetful=running.forgetful),
            await oracle.check_contract(running.settings),
            *oracle.check_settlement(log),
            await oracle.check_objects(log, objects),
            *await check_erasures(log, database, objects),
            await oracle.check_left_over(database),
        ], log


def _by_kind(saboteur: Saboteur) -> dict[str, dict[str, int]]:
    faults: dict[str, dict[str, int]] = defaultdict(dict)
    for (kind, target), count in sorted(saboteur.done.items()):
        faults[kind][target] = count
    return dict(faults)


def _ends(running: Installation) -> Counter[str]:
    """Of the processes that `up` owns: all but those that were killed or asked to end."""
    said = (running.folder.path / "up.out").read_text(encoding="utf-8")
    asked = {*BROKERS, "PostgreSQL"}
    return Counter(
        f"{name} with code {code}"
        for name, code in ENDED.findall(said)
        if code != "-9" and name not in asked
    )
