"""What goes wrong and when: a schedule that one seed always makes the same."""

import random
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct

POSTGRES: Final = "PostgreSQL"
LINE: Final = "line to PostgreSQL"
"""Of the additional processes, whose connections pass through the harness."""
PRODUCT: Final = ("api", "relay", "project", "dispatch", "work", "seal")
QUIET_SHARE: Final = 0.04
"""Of the time, at the start and at the end, without faults."""


class Kind(StrEnum):
    KILL = "kill"
    """SIGKILL."""
    FREEZE = "freeze"
    """SIGSTOP for longer than every lease, then SIGCONT: a zombie that does not know it was away."""
    RESTART = "restart"
    """The clean end that an operator asks for."""
    CUT = "cut"
    """Every session of the database is ended, as by an administrator."""
    SEVER = "sever"
    """Connections break without a word, as when a firewall forgets them."""
    SILENCE = "silence"
    """Connections stay open and carry nothing for longer than every lease: a network that is parted and heals."""


LASTING: Final = (Kind.FREEZE, Kind.SILENCE)


class Fault(Struct, frozen=True, kw_only=True):
    """`at_seconds` counts from the beginning of the load."""

    at_seconds: float
    kind: Kind
    target: str
    lasts_seconds: float = 0.0


def schedule(
    seed: int, seconds: float, count: int, broker: str, lasting_seconds: tuple[float, float]
) -> list[Fault]:
    """Every kind hits every target once before one hits it twice."""
    chance = random.Random(f"faults {seed}")
    moments = sorted(
        chance.uniform(QUIET_SHARE * seconds, (1 - QUIET_SHARE) * seconds) for _ in range(count)
    )
    deck = _shuffled_for_ever(_combinations(broker), chance)
    return [
        Fault(
            at_seconds=moment,
            kind=kind,
            target=target,
            lasts_seconds=chance.uniform(*lasting_seconds) if kind in LASTING else 0.0,
        )
        for moment, (kind, target) in zip(moments, deck, strict=False)
    ]


def second(name: str) -> str:
    """What the additional process beside `name` is called."""
    return f"{name}-2"


def _combinations(broker: str) -> list[tuple[Kind, str]]:
    servers = [POSTGRES, broker]
    everything = [*PRODUCT, *map(second, PRODUCT), *servers]
    return [
        *((Kind.KILL, target) for target in everything),
        *((Kind.FREEZE, target) for target in everything),
        *((Kind.RESTART, target) for target in servers),
        (Kind.CUT, POSTGRES),
        (Kind.SEVER, LINE),
        (Kind.SILENCE, LINE),
    ]


def _shuffled_for_ever(
    combinations: list[tuple[Kind, str]], chance: random.Random
) -> Iterator[tuple[Kind, str]]:
    while True:
        yield from chance.sample(combinations, len(combinations))
