"""The numbers of the whole system, read from its database at a scrape."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from prometheus_client.core import Metric as Family

from api.abilities import WORKER_SILENCE_SECONDS_MAX
from api.checks import CHECK_SECONDS_MAX
from api.log_counts import LogCounts
from api.shared_counts import SharedCounts
from infrastructure.disk import free_bytes
from infrastructure.postgres.leases import DISPATCH, PROJECT, RELAY
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.telemetry import metrics
from infrastructure.telemetry.kinds import NoLabels, ReadGauge
from infrastructure.telemetry.metrics import Disk, Failing, Partition, Place, Refusal, Role
from projections.lag import Lag, read_lags
from projections.models import READ_MODELS

_LOGGER: Final = logging.getLogger(__name__)
ROLES: Final = {"relay": RELAY, "project": PROJECT, "dispatch": DISPATCH}
"""By the name of its process, as what its leases go."""
_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class SystemMetrics:
    """`disks` are folders of this process that fill up, by what lies in them; `shared` is one that its siblings know too."""

    def __init__(self, pool: Pool, disks: Mapping[str, Path], shared: Path | None = None) -> None:
        self._pool = pool
        self._disks = disks
        self._log_counts = LogCounts(SharedCounts(shared) if shared else None)

    async def read(self) -> Sequence[Family]:
        """Without the database, that it does not answer; whatever is wrong, a scrape is to say so and not to fail."""
        disks = await asyncio.to_thread(self._free_space)
        try:
            async with asyncio.timeout(CHECK_SECONDS_MAX), self._pool.acquire() as connection:
                system = await self._read(connection)
        except Exception as problem:  # noqa: BLE001  # as above
            _LOGGER.warning("metrics without the database: %s", type(problem).__name__)
            return [disks, _one(metrics.DATABASE_ANSWERS, 0)]
        return [disks, _one(metrics.DATABASE_ANSWERS, 1), *system]

    def _free_space(self) -> Family:
        free: list[tuple[Disk, float]] = []
        for name, folder in self._disks.items():
            try:
                free.append((Disk(name), free_bytes(folder)))
            except OSError as problem:
                _LOGGER.warning("no free space to tell of %s: %s", name, problem.strerror)
        return metrics.FREE_BYTES.of(free)

    async def _read(self, connection: Connection) -> list[Family]:
        await self._log_counts.look(connection)
        return [
            *await _transcriptions(connection),
            *self._log_counts.families(),
            *await _at_work(connection),
            *await _relay(connection),
            *_projections(await read_lags(connection, list(READ_MODELS))),
        ]


def _one(metric: ReadGauge[NoLabels], number: float) -> Family:
    return metric.of([(NoLabels(), number)])


async def _transcriptions(connection: Connection) -> list[Family]:
    queued, oldest_seconds, running = await _row(connection, _SQL["transcriptions"])
    return [
        _one(metrics.TRANSCRIPTIONS_QUEUED, queued),
        _one(metrics.TRANSCRIPTIONS_OLDEST_QUEUED_SECONDS, oldest_seconds),
        _one(metrics.TRANSCRIPTIONS_RUNNING, running),
    ]


async def _at_work(connection: Connection) -> list[Family]:
    workers, slots = await _row(connection, _SQL["workers"], WORKER_SILENCE_SECONDS_MAX)
    at_work = {row["role"]: row["members"] for row in await connection.fetch(_SQL["members"])}
    return [
        _one(metrics.WORKERS, workers),
        _one(metrics.WORKER_SLOTS, slots),
        metrics.PROCESSES.of((Role(name), at_work.get(role, 0)) for name, role in ROLES.items()),
    ]


async def _relay(connection: Connection) -> list[Family]:
    lags = await connection.fetch(_SQL["relay_lags"])
    refusals = await connection.fetch(_SQL["refusals"])
    return [
        metrics.RELAY_LAG_EVENTS.of((Partition(row["partition"]), row["events"]) for row in lags),
        metrics.RELAY_LAG_SECONDS.of((Partition(row["partition"]), row["seconds"]) for row in lags),
        metrics.RELAY_REFUSING_SECONDS.of(
            (Refusal(row["partition"], row["reason"]), row["seconds"]) for row in refusals
        ),
    ]


def _projections(lags: Sequence[Lag]) -> list[Family]:
    heads = {each.partition: each.head for each in lags}
    return [
        metrics.LOG_HEAD.of((Partition(str(partition)), head) for partition, head in heads.items()),
        metrics.PROJECTION_LAG_EVENTS.of((_place(each), each.lag_events) for each in lags),
        metrics.PROJECTION_LAG_SECONDS.of((_place(each), each.lag_seconds) for each in lags),
        metrics.PROJECTION_FAILING_TRIES.of(
            (
                Failing(each.projection, str(each.partition), str(why.address), why.type, why.error),
                why.tries,
            )
            for each in lags
            if (why := each.failing)
        ),
    ]


def _place(lag: Lag) -> Place:
    return Place(lag.projection, str(lag.partition))


async def _row(connection: Connection, query: str, *arguments: Any) -> Sequence[float]:
    row = await connection.fetchrow(query, *arguments)
    assert row is not None, "an aggregate has a row"
    return [float(value) for value in row.values()]
