"""Looks every minute whether Kafka, where it was found damaged, still is."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Never, Protocol

from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.failures import KAFKA_FAILURES
from infrastructure.kafka.probe import is_readable
from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.kafka_damage import KafkaDamage

LOOK_SECONDS: Final = 60.0

log: Final = logging.getLogger(__name__)


class Damages(Protocol):
    """Raise DatabaseUnavailable."""

    async def known(self) -> Sequence[KafkaDamage]: ...

    async def mended(self, damage: KafkaDamage) -> None: ...


async def watch_damage(damages: Damages, brokers: Brokers, look_seconds: float = LOOK_SECONDS) -> Never:
    """Says what is damaged as long as it is, and forgets what is mended, removed or made again. Until cancelled."""
    while True:
        try:
            for damage in await damages.known():
                await _look_at(damage, damages, brokers)
        except (*KAFKA_FAILURES, DatabaseUnavailable) as problem:
            log.debug("the damage of Kafka could not be looked at: %r", problem)
        await asyncio.sleep(look_seconds)


async def _look_at(damage: KafkaDamage, damages: Damages, brokers: Brokers) -> None:
    if await is_readable(brokers, damage.topic, damage.partition, damage.first_offset):
        await damages.mended(damage)
        log.info("%s no longer", damage)
    else:
        log.warning("%s since %s: %s", damage, damage.since.isoformat("minutes"), damage.remedy)
