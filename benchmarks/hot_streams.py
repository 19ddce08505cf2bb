"""Sixty-four callers on four streams: commands through our handlers, against the package's loop that tries again."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError
from msgspec import Struct

from benchmarks.measure import Measurement, Target, report
from benchmarks.one_user import prepared
from benchmarks.writers import PARTITIONS, Person, grant_minutes, person
from embedded.postgres import Postgres
from infrastructure.postgres.store import PostgresEventStore
from tests.keys import keys_on

CALLERS: Final = 64
STREAMS: Final = 4
PACKAGE: Final = "package"
RATIO: Final = 10.0
CAPTION: Final = (
    f"{CALLERS} callers, {STREAMS} users; ours: a request or its cancellation through the handlers, of which each appends to three streams, "
    "the quota's being the hot one; package: an Application of eventsourcing in its safe mode, with its cache and its locks, "
    "each caller a thread that loads one of four accounts, reserves or releases a minute, saves, and tries again at an IntegrityError"
)


class Seen(Struct, frozen=True):
    """Of one contestant."""

    seconds: float
    latencies: Sequence[float]
    tries: int

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def milliseconds(self, quantile: float) -> float:
        return quantiles(self.latencies, n=1000)[round(quantile * 1000) - 1] * 1000


async def measure(server: Postgres, seconds: float) -> None:
    ours = await _ours(await server.create_database("hot_ours"), seconds)
    package = await asyncio.to_thread(_package, await server.create_database("hot_package"), seconds)
    report("append_hot", CAPTION, [_rates(ours, package)])
    report(
        "append_hot_latency",
        f"of the same; the package tried {package.tries / len(package.latencies):.1f} times for each that came through",
        [_latency(name, at, ours, package) for name, at in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))],
    )


def _rates(ours: Seen, package: Seen) -> Measurement:
    return Measurement(
        situation=f"{CALLERS} callers on {STREAMS} streams",
        unit="commands/s",
        ours=ours.rate,
        peers={PACKAGE: package.rate},
        targets=(Target(peer=PACKAGE, ratio=RATIO),),
    )


def _latency(situation: str, quantile: float, ours: Seen, package: Seen) -> Measurement:
    return Measurement(
        situation=situation,
        unit="ms",
        ours=ours.milliseconds(quantile),
        peers={PACKAGE: package.milliseconds(quantile)},
    )


async def _ours(url: str, seconds: float) -> Seen:
    """Whatever a command raises ends it all: not one may fail."""
    async with await prepared(url) as pool, PostgresEventStore(pool, PARTITIONS, keys_on(pool)) as store:
        users = [uuid4() for _ in range(STREAMS)]
        for user_id in users:
            await grant_minutes(store, user_id)
        callers = [await person(store, users[number % STREAMS]) for number in range(CALLERS)]
        began = time.perf_counter()
        latencies = await asyncio.gather(*(_again_and_again(each, began + seconds) for each in callers))
        took = time.perf_counter() - began
    return Seen(took, [each for of_one in latencies for each in of_one], tries=0)


async def _again_and_again(caller: Person, ends_at: float) -> list[float]:
    latencies: list[float] = []
    while (began := time.perf_counter()) < ends_at:
        await caller.command()
        latencies.append(time.perf_counter() - began)
    return latencies


class Account(Aggregate):
    """As the package's documentation writes one."""

    @event("Opened")
    def __init__(self, minutes: int) -> None:
        self.minutes = minutes

    @event("Changed")
    def change(self, minutes: int) -> None:
        self.minutes += minutes


def _package(url: str, seconds: float) -> Seen:
    application = Application[UUID](env=_environment(url))
    accounts = [Account(1_000_000) for _ in range(STREAMS)]
    for account in accounts:
        application.save(account)
    ids = [account.id for account in accounts]
    began = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as threads:
        seen = list(
            threads.map(
                lambda number: _tries(application, ids[number % STREAMS], began + seconds), range(CALLERS)
            )
        )
    took = time.perf_counter() - began
    application.close()
    return Seen(
        took, [each for latencies, _ in seen for each in latencies], sum(tries for _, tries in seen)
    )


def _tries(application: Application[UUID], account_id: UUID, ends_at: float) -> tuple[list[float], int]:
    latencies: list[float] = []
    tries = 0
    while (began := time.perf_counter()) < ends_at:
        while True:
            tries += 1
            account: Account = application.repository.get(account_id)
            account.change(-1 if len(latencies) % 2 == 0 else 1)
            try:
                application.save(account)
            except IntegrityError:
                continue
            break
        latencies.append(time.perf_counter() - began)
    return latencies, tries


def _environment(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path[1:],
        "POSTGRES_HOST": parts.hostname or "",
        "POSTGRES_PORT": str(parts.port),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
        "POSTGRES_POOL_SIZE": str(CALLERS),
        "POSTGRES_MAX_OVERFLOW": str(CALLERS),
        "POSTGRES_MAX_WAITING": str(CALLERS),
        "AGGREGATE_CACHE_MAXSIZE": "1000",
    }
