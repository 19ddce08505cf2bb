"""Which Kafka the embedded stack runs: Apache Kafka, or noida-db where its jars cannot be had."""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, cast, get_args

from infrastructure.devstack.jar_progress import jar_progress
from infrastructure.devstack.jars import (
    JarsUnreachable,
    cache_folder,
    fetch_with_jgo,
    pinned_jars,
    provide_jars,
)
from infrastructure.devstack.kafka import ApacheKafka
from infrastructure.devstack.noida import Noida
from infrastructure.settings import InvalidSetting

Choice = Literal["", "apache", "noida", "external"]
"""The values of STENOLOG_BROKER; the empty one leaves it to what can be had."""

Broker = ApacheKafka | Noida
Say = Callable[[str], None]

VARIABLE: Final = "STENOLOG_BROKER"
NOIDA_RETENTION_MS: Final = 3_600_000
"""noida-db rewrites all it holds every second, so it must not hold much."""


def broker_choice(environment: Mapping[str, str] = os.environ) -> Choice:
    """Raises InvalidSetting."""
    choice = environment.get(VARIABLE, "")
    if choice not in get_args(Choice):
        raise InvalidSetting(
            f"{VARIABLE}: {choice!r} is none of apache, noida, external (unset it to let us choose)"
        )
    return cast("Choice", choice)


def jar_folder() -> Path:
    return cache_folder() / "kafka-4.4.0"


def provide_kafka() -> None:
    """Sees that the jars are there, showing how far that is. Raises JarsUnreachable."""
    with jar_progress() as report:
        provide_jars(jar_folder(), pinned_jars(), fetch_with_jgo, report)


async def embedded_broker(
    choice: Choice, folder: Path, log: Path, say: Say, provide: Callable[[], None] = provide_kafka
) -> Broker:
    """The broker to run on `folder`. Raises JarsUnreachable when Apache Kafka is insisted on and cannot be had."""
    assert choice != "external", "an external broker is not ours to run"
    if choice != "noida":
        try:
            await asyncio.to_thread(provide)
        except JarsUnreachable as problem:
            if choice == "apache":
                raise
            say(
                f"Apache Kafka's jars are neither cached nor reachable ({problem}): taking noida-db instead"
            )
        else:
            return ApacheKafka(folder / "apache", jar_folder(), log)
    return Noida(folder / "noida", log)


def retention_ms(broker: Broker) -> int:
    """How long topics may keep messages there; -1 is for ever."""
    return NOIDA_RETENTION_MS if isinstance(broker, Noida) else -1
