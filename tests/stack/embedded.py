"""The embedded stack's own launchers, on a temporary folder."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from embedded.brokers import broker_choice, embedded_broker, retention_ms
from embedded.postgres import Postgres


class RunningBroker(Struct, frozen=True):
    bootstrap: str
    retention_ms: int


@asynccontextmanager
async def postgres(folder: Path) -> AsyncIterator[Postgres]:
    server = Postgres(folder / "postgres", folder / "logs" / "postgres.log")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def kafka(folder: Path) -> AsyncIterator[RunningBroker]:
    server = await embedded_broker(broker_choice(), folder / "kafka", folder / "logs" / "kafka.log", _say)
    await server.start()
    try:
        yield RunningBroker(server.bootstrap, retention_ms(server))
    finally:
        await server.stop()


def _say(line: str) -> None:
    print(line, file=sys.__stderr__, flush=True)
