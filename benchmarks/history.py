"""A log as years of use would leave it: users, each with some recordings, each told from upload to its end."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid4

from msgspec import Struct
from msgspec.structs import astuple, fields, replace

from benchmarks.stack import PARTITIONS
from domain.events import Event
from domain.log import LogRecord
from domain.transcription import transcription_id_of
from infrastructure.new_records import new_event_id
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import Pool
from schemas.events import encode, type_of
from schemas.partitions import partition_of
from tests import builders as b
from tests.keys import KEY
from tests.projections.lives import stream_of

RECORDINGS_PER_USER: Final = 6
ENDS: Final = ("completed", "edited", "completed", "cancelled", "completed", "failed")
CHUNK: Final = 20_000
COLUMNS: Final = [field.name for field in fields(LogRecord)]


def history(count: int, partitions: Sequence[int] = range(PARTITIONS)) -> Iterator[LogRecord]:
    """`count` events, contiguous in each of these partitions; the commits of some users at a time are interleaved."""
    users = (user for user in iter(uuid4, None) if partition_of(user, PARTITIONS) in partitions)
    return itertools.islice(_recorded(_told(users)), count)


async def write_log(pool: Pool, records: Iterable[LogRecord]) -> None:
    """Stores a history in partitions of a log that hold nothing yet."""
    await claim_partition_count(pool, PARTITIONS)
    for chunk in chunks(records, CHUNK):
        rows = [astuple(record) for record in chunk]
        await pool.copy_records_to_table("events", schema_name="public", columns=COLUMNS, records=rows)
    await pool.execute("vacuum analyze events")


def chunks(records: Iterable[LogRecord], size: int) -> Iterator[Sequence[LogRecord]]:
    records = iter(records)
    return iter(lambda: list(itertools.islice(records, size)), [])


def _told(users: Iterator[UUID]) -> Iterator[tuple[UUID, Event]]:
    """Events of users without end, a hundred users at a time."""
    while True:
        lives = [list(_life(user)) for user in itertools.islice(users, 100)]
        for step in itertools.zip_longest(*lives):
            yield from (each for each in step if each is not None)


def _recorded(told: Iterable[tuple[UUID, Event]]) -> Iterator[LogRecord]:
    heads = [0] * PARTITIONS
    versions: dict[str, int] = {}
    for owner_id, event in told:
        owner, stream_id = _owner(owner_id), stream_of(event)
        heads[owner.partition] += 1
        versions[stream_id] = versions.get(stream_id, 0) + 1
        yield _record(owner, event, heads[owner.partition], stream_id, versions[stream_id])


class _Owner(Struct, frozen=True):
    """What all records of one user have, written once: it is most of what a record costs."""

    id: UUID
    partition: int
    actor: str
    request_id: str
    trace: str


@lru_cache(maxsize=1_000)
def _owner(owner_id: UUID) -> _Owner:
    text = str(owner_id)
    return _Owner(owner_id, partition_of(owner_id, PARTITIONS), f"user:{text}", text, f"00-{owner_id.hex}")


def _record(owner: _Owner, event: Event, seq: int, stream_id: str, version: int) -> LogRecord:
    kind = type_of(event)
    return LogRecord(
        partition=owner.partition,
        seq=seq,
        stream_id=stream_id,
        version=version,
        owner_id=owner.id,
        type=kind.name,
        schema_version=kind.schema_version,
        data=encode(event, version, KEY),
        event_id=new_event_id(),
        recorded_at=datetime.now(UTC),
        actor=owner.actor,
        correlation_id=owner.id,
        causation_id=None,
        request_id=owner.request_id,
        traceparent=f"{owner.trace}-{seq:016x}-01",
    )


def _life(user_id: UUID) -> Iterator[tuple[UUID, Event]]:
    yield user_id, b.registered(user_id=user_id, email=f"{user_id.hex}@example.com")
    yield user_id, b.granted(60, user_id=user_id)
    for end in ENDS[:RECORDINGS_PER_USER]:
        for event in _recording(user_id, uuid4(), end):
            yield user_id, event


def _recording(user_id: UUID, file_id: UUID, end: str) -> list[Event]:
    ids = {"user_id": user_id, "transcription_id": transcription_id_of(file_id)}
    asked: list[Event] = [
        b.uploaded(user_id=user_id, file_id=file_id),
        replace(b.requested(), job=b.job(file_id=file_id), **ids),
        replace(b.reserved(2), **ids),
    ]
    started: Event = replace(b.started(), job=b.job(file_id=file_id), **ids)
    released: Event = replace(b.released(2), **ids)
    done: list[Event] = [started, replace(b.completed(), **ids), replace(b.debited(2), **ids)]
    courses: dict[str, list[Event]] = {
        "completed": done,
        "edited": [*done, replace(b.edited(), **ids)],
        "failed": [started, replace(b.attempt_failed(), **ids), replace(b.failed(), **ids), released],
        "cancelled": [replace(b.cancelled(), **ids), released],
    }
    return asked + courses[end]
