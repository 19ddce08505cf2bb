"""What those who listen have to be told: which transcriptions events were about, their states, and their finished windows."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct

from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from projections import checkpoints
from projections.models import READ_MODELS
from projections.transcriptions import TranscriptionView, find_each

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
WINDOWS: Final = "transcription_windows"
"""The table of finished windows, which the dispatcher writes."""
PROGRESS_CHANNEL: Final = "stenolog_progress"
"""PostgreSQL channel; each payload is pairs `<user>:<transcription>` with commas between them, of which there is news."""


class WindowRow(Struct, frozen=True, array_like=True):
    """A finished window; its words are in the object store under `key`."""

    attempt: int
    index: int
    start_ms: int
    end_ms: int
    key: str


class KnownWindows(Struct, frozen=True, array_like=True):
    """Those before `next_index` are known, as reports of attempts up to `attempt` named them."""

    next_index: int = 0
    attempt: int = 0


class Seen(Struct, frozen=True):
    """One transcription; no view where there is none, and those of its windows that are news."""

    view: TranscriptionView | None
    windows: Sequence[WindowRow] = ()


class Stretch(Struct, frozen=True, array_like=True):
    """The events of a partition after one and up to another."""

    partition: int
    after: int
    upto: int


class Touched(Struct, frozen=True, array_like=True):
    """One whom an event was about; a transcription of theirs, or none where they asked to be erased."""

    owner_id: UUID
    transcription_id: UUID | None


class Arrival(Struct, frozen=True, array_like=True):
    """A listener to everything of one user, who has seen what was there at `after`; 0 for one who has seen nothing."""

    user_id: UUID
    partition: int
    after: int


def pairs_of(payload: str) -> Iterator[tuple[UUID, UUID]]:
    """The users and transcriptions of a notification."""
    for pair in payload.split(","):
        user_id, _, transcription_id = pair.partition(":")
        yield UUID(user_id), UUID(transcription_id)


async def reached(connection: Connection) -> Mapping[int, int]:
    """By partition, up to where every read model has folded."""
    return await checkpoints.reached(connection, list(READ_MODELS))


async def touched(connection: Connection, stretches: Sequence[Stretch]) -> Sequence[Touched]:
    rows = [(each.partition, each.after, each.upto) for each in stretches]
    columns = [[row[column] for row in rows] for column in range(3)]
    return [Touched(*record) for record in await connection.fetch(SQL["touched"], *columns)]


async def recent(connection: Connection, arrivals: Sequence[Arrival]) -> Sequence[tuple[int, UUID]]:
    """Of the newest thousand of each those under way, and those that events after the given ones were about; and those deleted since lately."""
    rows = [(each.user_id, each.partition, each.after) for each in arrivals]
    columns = [[row[column] for row in rows] for column in range(3)]
    return [(number - 1, key) for number, key in await connection.fetch(SQL["recent"], *columns)]


async def seen(connection: Connection, known: Mapping[UUID, KnownWindows]) -> Mapping[UUID, Seen]:
    """Windows first: a state is never older than those told with it; of another request than the state's they are none."""
    keys = list(known)
    places = ([each.next_index for each in known.values()], [each.attempt for each in known.values()])
    records = await connection.fetch(SQL["windows"], keys, *places)
    views = dict(zip(keys, await find_each(connection, keys), strict=True))
    windows: dict[UUID, list[WindowRow]] = {key: [] for key in keys}
    for key, requested_at, *row in records:
        view = views[key]
        if view is not None and view.requested_at == requested_at:
            windows[key].append(WindowRow(*row))
    return {key: Seen(views[key], windows[key]) for key in keys}
