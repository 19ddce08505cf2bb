"""What the routes need from the world, put together once per process."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from litestar.datastructures import State
from prometheus_client.core import Metric as Family

from api.consistency import ReadModelProgress
from api.health import Health
from api.kept import Kept
from api.passwords import Passwords
from api.tokens import Tokens
from api.transcript_texts import TranscriptTexts
from domain.ports import Clock, Credentials, EventStore, ObjectStore
from infrastructure.media.probe import MediaFacts
from infrastructure.postgres.pool import Pool
from infrastructure.settings import Settings

Probe: TypeAlias = Callable[[Path], Awaitable[MediaFacts]]
"""Raises UnreadableMedia."""


class RateLimit(Protocol):
    async def allow(self, key: str, limit: int, window_seconds: int) -> float:
        """Counts one try unless it is refused; the seconds to wait, 0 when it is allowed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`read_models` is a pool whose connections find the tables of the projections."""

    settings: Settings
    clock: Clock
    store: EventStore
    credentials: Credentials
    objects: ObjectStore
    rate_limit: RateLimit
    read_models: Pool
    progress: ReadModelProgress
    passwords: Passwords
    tokens: Tokens
    texts: TranscriptTexts
    probe: Probe
    spool: Path
    health: Health
    metrics: Kept[Sequence[Family]]


def provide_parts(state: State) -> Parts:
    parts: Parts = state.parts
    return parts
