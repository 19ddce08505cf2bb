"""A broker that a test may kill, freeze and start again."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from embedded.brokers import Broker, broker_choice, embedded_broker, retention_ms
from infrastructure.kafka.topics import create_topics
from schemas.topics import Topics


@asynccontextmanager
async def own_broker(folder: Path, topics: Topics) -> AsyncIterator[Broker]:
    """Of the kind that the other tests use as well, with topics of one partition."""
    server = await embedded_broker(broker_choice(), folder / "kafka", folder / "kafka.log", _say_nothing)
    await server.start()
    try:
        await create_topics(server.bootstrap, topics, 1, retention_ms(server))
        yield server
    finally:
        await server.stop()


def _say_nothing(_: str) -> None:
    """Which broker it is, the session's has said."""


async def kill_and_restart(server: Broker) -> None:
    server.kill()
    await server.wait()
    await server.start()


@contextmanager
def frozen(server: Broker) -> Iterator[None]:
    """It keeps its connections, and answers nobody."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)
