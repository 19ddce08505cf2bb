"""Appends and provenance with defaults, so that a test names only what matters to it."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from domain.events import Event
from domain.log import Provenance, StreamAppend
from domain.ports import EventLog
from tests.builders import granted


def provenance(*, actor: str = "test") -> Provenance:
    return Provenance(actor=actor, correlation_id=uuid4())


def grants(owner_id: UUID, *minutes: int) -> list[Event]:
    return [granted(each, user_id=owner_id) for each in minutes]


def append(
    owner_id: UUID, *minutes: int, at: int = 0, stream: str = "quota", events: Sequence[Event] = ()
) -> StreamAppend:
    """Grants of these minutes, or `events`, for the owner's stream of that name, which is at version `at`."""
    return StreamAppend(
        stream_id=f"{stream}-{owner_id}",
        owner_id=owner_id,
        expected_version=at,
        events=events or grants(owner_id, *minutes),
    )


async def heads(log: EventLog) -> list[int]:
    return [await log.head(partition) for partition in range(log.partition_count)]
