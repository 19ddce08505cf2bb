"""What every handler does: load streams, decide, append to all of them or to none, and again on a conflict."""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, ParamSpec, TypeVar
from uuid import UUID

from domain.decider import Command, Decider, Event, State
from domain.errors import StaleAttempt
from domain.log import Address, Provenance, StreamAppend, VersionConflict
from domain.ports import EventStore
from domain.transcription import Transcription

TRIES_MAX: Final = 6
BACKOFF_SECONDS_MAX: Final = 0.05

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Command, State, Event]):
    """A stream as it was read: its state, and the version a decision about it holds for."""

    decider: Decider[Command, State, Event]
    stream_id: str
    version: int
    state: State

    def decide(self, command: Command, owner_id: UUID) -> StreamAppend:
        """The events of this command, to append; raises the decider's Rejection."""
        events = self.decider.decide(command, self.state)
        return StreamAppend(
            stream_id=self.stream_id,
            owner_id=owner_id,
            expected_version=self.version,
            events=events,  # type: ignore[arg-type]  # every decider's events are in domain.events.Event
        )


async def load(
    store: EventStore, decider: Decider[Command, State, Event], identity: UUID
) -> Loaded[Command, State, Event]:
    stream_id = decider.stream_id(identity)
    events = await store.read_stream(stream_id)
    state = decider.fold(events)  # type: ignore[arg-type]  # a stream holds its own decider's events
    return Loaded(decider, stream_id, len(events), state)


async def append(store: EventStore, provenance: Provenance, *appends: StreamAppend) -> Address | None:
    """Appends what was decided; None when every decision was that nothing changes."""
    changed = [each for each in appends if each.events]
    return await store.append(changed, provenance) if changed else None


def owner_of(transcription: Transcription, attempt: int) -> UUID:
    """Whose transcription an attempt belongs to. Raises StaleAttempt for one nobody requested."""
    if transcription.user_id is None:
        raise StaleAttempt(attempt, transcription.attempt, transcription.status)
    return transcription.user_id


def retried_on_conflict(
    handler: Callable[Parameters, Awaitable[Answer]],
) -> Callable[Parameters, Awaitable[Answer]]:
    """Runs the handler again when another writer was first: decisions are pure, so that is safe."""

    @functools.wraps(handler)
    async def retried(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
        for _ in range(TRIES_MAX - 1):
            try:
                return await handler(*args, **kwargs)
            except VersionConflict:
                # Jitter, so that rivals for one stream do not meet again at once.
                await asyncio.sleep(random.uniform(0, BACKOFF_SECONDS_MAX))  # noqa: S311
        return await handler(*args, **kwargs)

    return retried
