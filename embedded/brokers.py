"""Which Kafka the embedded stack runs: Apache Kafka, or noida-db where its jars cannot be had."""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, cast, get_args

from embedded.jars import (
    Jar,
    JarsUnreachable,
    fetch_with_jgo,
    jar_progress,
    pinned_jars,
    provide_jars,
)
from embedded.kafka import ApacheKafka
from embedded.noida import Noida
from infrastructure.cache import cache_folder
from infrastructure.settings import InvalidSetting

Choice = Literal["", "apache", "noida", "external"]
"""The values of STENOLOG_BROKER; the empty one leaves it to what can be had."""

Broker = ApacheKafka | Noida
Say = Callable[[str], None]
Provide = Callable[[threading.Event], None]
"""Blocks until a broker's program is there, or until the event is set."""

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


def provide_kafka(interrupted: threading.Event) -> None:
    """Sees that the jars are there, showing how far that is. Raises JarsUnreachable, also when interrupted."""

    def fetch(jar: Jar, folder: Path) -> Path:
        if interrupted.is_set():
            raise InterruptedError
        return fetch_with_jgo(jar, folder)

    with jar_progress() as report:
        provide_jars(jar_folder(), pinned_jars(), fetch, report)


async def embedded_broker(
    choice: Choice, folder: Path, log: Path, say: Say, provide: Provide = provide_kafka
) -> Broker:
    """The broker to run on `folder`. Raises JarsUnreachable when Apache Kafka is insisted on and cannot be had."""
    assert choice != "external", "an external broker is not ours to run"
    if choice != "noida":
        try:
            await _in_thread(provide)
        except JarsUnreachable as problem:
            if choice == "apache":
                raise
            say(
                f"Apache Kafka's jars are neither cached nor reachable ({problem}): taking noida-db instead"
            )
        else:
            return ApacheKafka(folder / "apache", jar_folder(), log)
    return Noida(folder / "noida", log)


async def _in_thread(provide: Provide) -> None:
    """A thread cannot be cancelled, and the interpreter waits for it at the end: so it is told."""
    interrupted = threading.Event()
    try:
        await asyncio.to_thread(provide, interrupted)
    finally:
        interrupted.set()


def retention_ms(broker: Broker) -> int:
    """How long topics may keep messages there; -1 is for ever."""
    return NOIDA_RETENTION_MS if isinstance(broker, Noida) else -1
