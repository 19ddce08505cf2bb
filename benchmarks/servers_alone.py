"""PostgreSQL and Kafka on folders of their own, with nobody there who uses them."""

import asyncio
from pathlib import Path

import psutil

from benchmarks.processor_time import of_tree
from embedded.brokers import broker_choice, embedded_broker
from embedded.kafka import ApacheKafka
from embedded.postgres import Postgres


class ServersAlone:
    """May be started again and again."""

    def __init__(self, postgres: Postgres, broker: ApacheKafka) -> None:
        self._servers = (postgres, broker)
        self._broker = broker

    async def start(self) -> None:
        """Both at once, as `up` does."""
        await asyncio.gather(*(server.start() for server in self._servers))

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self._servers))

    async def learn(self) -> None:
        """What `up` does in the background after its first start on a machine."""
        await self._broker.quicken_next_start()

    def processor_seconds(self) -> float:
        return sum(of_tree(psutil.Process(each.pid)) for each in self._servers if each.pid)


async def servers_alone(folder: Path) -> ServersAlone:
    broker = await embedded_broker(
        broker_choice(), folder / "kafka", folder / "kafka.log", lambda line: print(line, flush=True)
    )
    assert isinstance(broker, ApacheKafka), "these figures are about Apache Kafka, which cannot be had here"
    return ServersAlone(Postgres(folder / "postgres", folder / "postgres.log"), broker)
