"""`GET /metrics`: what this process counts, and how the whole system stands, for Prometheus to scrape."""

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from litestar import Response, get
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric

from api.checks import CHECK_SECONDS_MAX
from api.health import KEEP_SECONDS
from api.system_health import WORKER_SILENCE_SECONDS_MAX
from infrastructure.postgres.leases import DISPATCH, PROJECT, RELAY
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.telemetry.exposition import CONTENT_TYPE, exposition, gauge
from infrastructure.telemetry.requests import RequestMeter
from projections.lag import Lag, read_lags
from projections.models import READ_MODELS

_LOGGER: Final = logging.getLogger(__name__)
_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
_BEGAN: Final = "stenolog_began"


@get("/metrics", include_in_schema=False)
async def metrics(state: State) -> Response[bytes]:
    """Numbers only: no ids, no addresses of people, nothing anybody said."""
    telemetry: Telemetry = state.telemetry
    return Response(await telemetry.text(state.parts.read_models), media_type=CONTENT_TYPE)


class Telemetry:
    """Of one API process."""

    def __init__(self) -> None:
        self._counted = CollectorRegistry()
        ProcessCollector(registry=self._counted)
        self._requests = RequestMeter(self._counted)
        self._turn = asyncio.Lock()
        self._read: Sequence[Metric] = ()
        self._read_at = -KEEP_SECONDS

    async def count(self, message: Message, scope: Scope) -> None:
        """Sees every answer, also those to requests that no route took."""
        if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
            return
        began = scope["state"].get(_BEGAN)
        seconds = None if began is None else time.perf_counter() - began
        route = scope.get("path_template") or None
        self._requests.answered(scope["method"], route, message["status"], seconds)

    async def text(self, pool: Pool) -> bytes:
        """Looks at the database once in KEEP_SECONDS, however many scrape; without it the counts remain."""
        async with self._turn:
            if time.monotonic() - self._read_at > KEEP_SECONDS:
                self._read = await _read(pool)
                self._read_at = time.monotonic()
        return exposition(self._counted, self._read)


class Timed:
    """A middleware that remembers when a request was taken up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"][_BEGAN] = time.perf_counter()
        await self._app(scope, receive, send)


async def _read(pool: Pool) -> list[Metric]:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX), pool.acquire() as connection:
            lags = await read_lags(connection, list(READ_MODELS))
            system = await _system(connection)
    except Exception as problem:  # noqa: BLE001  # whatever it is, the scrape is to say so and not to fail
        _LOGGER.warning("metrics without the database: %s", type(problem).__name__)
        return [_database(answers=False)]
    return [_database(answers=True), *_projections(lags), *system]


def _database(*, answers: bool) -> Metric:
    return _one("database_answers", "Whether the numbers below could be read.", answers)


def _one(name: str, meaning: str, number: float) -> Metric:
    return gauge(name, meaning, [((), float(number))])


def _projections(lags: Sequence[Lag]) -> list[Metric]:
    place = ("projection", "partition")
    heads = {each.partition: each.head for each in lags}
    return [
        gauge(
            "log_head",
            "The seq of the last event of each partition of the log.",
            [((str(partition),), head) for partition, head in heads.items()],
            ("partition",),
        ),
        gauge(
            "projection_lag_events",
            "Events of the log that the projection has not folded, wherever on the way they are.",
            [(_place(each), each.lag_events) for each in lags],
            place,
        ),
        gauge(
            "projection_lag_seconds",
            "Age of the oldest event of the log that the projection has not folded.",
            [(_place(each), each.lag_seconds) for each in lags],
            place,
        ),
        gauge(
            "projection_failing_tries",
            "How often the event was tried at which the projection stands still; absent when there is none.",
            [
                ((*_place(each), str(failing.address), failing.type, failing.error), failing.tries)
                for each in lags
                if (failing := each.failing)
            ],
            (*place, "address", "type", "error"),
        ),
    ]


def _place(lag: Lag) -> tuple[str, str]:
    return lag.projection, str(lag.partition)


async def _system(connection: Connection) -> list[Metric]:
    queued, running = await _row(connection, _SQL["transcriptions"])
    workers, slots = await _row(connection, _SQL["workers"], WORKER_SILENCE_SECONDS_MAX)
    refusals = await connection.fetch(_SQL["refusals"])
    at_work = {row["role"]: row["members"] for row in await connection.fetch(_SQL["members"])}
    return [
        _one("transcriptions_queued", "Transcriptions that wait for a worker.", queued),
        _one("transcriptions_running", "Attempts that workers carry out.", running),
        _one("workers", "Workers heard of a moment ago.", workers),
        _one("worker_slots", "Transcriptions that these workers do at once.", slots),
        gauge(
            "processes",
            "Processes that share the work of a role.",
            [((role,), at_work.get(role, 0)) for role in (RELAY, PROJECT, DISPATCH)],
            ("role",),
        ),
        gauge(
            "relay_refusing_seconds",
            "For how long a partition has not been relayed, as log and Kafka contradict each other; absent when none.",
            [((partition, reason), seconds) for partition, reason, seconds in refusals],
            ("partition", "reason"),
        ),
    ]


async def _row(connection: Connection, query: str, *arguments: Any) -> Sequence[float]:
    row = await connection.fetchrow(query, *arguments)
    assert row is not None, "an aggregate has a row"
    return [float(value) for value in row.values()]
