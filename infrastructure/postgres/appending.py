"""What is sent to the log: commands' events as rows, appended by one call of one SQL function."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from msgspec import Struct

from domain.log import Address, Decision, Provenance, StreamAppend, VersionConflict
from infrastructure.new_records import new_event_id, require_appendable
from infrastructure.postgres.detached import detached_told
from infrastructure.postgres.mapper import type_named
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from schemas.events import encode, says_personal, type_of
from schemas.partitions import partition_of
from schemas.sealing import KeyRing, PersonKey

CHANNEL: Final = "events_appended"
"""Where it is told in which partitions something was appended: their numbers, as in `0,3`."""

_SQL: Final = load_queries(Path(__file__).parent / "log.sql")


class NewEvent(NamedTuple):
    """One row to append, its fields in the order of the SQL function's arrays.

    `expected` is the version the stream must be at, given with a command's first event for it.
    """

    partition: int
    stream_id: str
    version: int
    expected: int | None
    owner_id: UUID
    type: str
    schema_version: int
    data: bytes
    event_id: UUID
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    request_id: str | None
    traceparent: str | None


class NewEvents(Struct):
    """What is appended all of it or not at all: by one command, or by a chain of them.

    Its rows are made when they are asked for first: those of a whole group in one go, while everything that it takes is at
    hand for the processor, are made in half the time. The event ids are chosen then, once, so sending it again is safe.
    """

    partition: int
    decisions: Sequence[Decision]
    key: PersonKey | None = None
    made: Sequence[NewEvent] | None = None

    @property
    def events(self) -> Sequence[NewEvent]:
        """Raises what comes of an event that cannot be encoded."""
        if self.made is None:
            self.made = [*_rows_of(self.decisions, self.partition, self.key)]
        return self.made

    def addresses(self, last: Address) -> Sequence[Address]:
        """Of the last event of each command: the events lie side by side in their partition."""
        counts = [sum(len(append.events) for append in each.appends) for each in self.decisions]
        first = last.seq - sum(counts)
        return [Address(last.partition, first + end) for end in accumulate(counts)]

    @property
    def stream_ids(self) -> set[str]:
        return {event.stream_id for event in self.events}

    @property
    def size_bytes(self) -> int:
        return sum(len(event.data) for event in self.events)


def recorded_event(stored: StoredEvent, partition: int, owner_id: UUID, provenance: Provenance) -> NewEvent:
    """One of the `eventsourcing` package's."""
    stored_type = type_named(stored.topic)
    return NewEvent(
        partition,
        str(stored.originator_id),
        stored.originator_version,
        None,
        owner_id,
        stored_type.name,
        stored_type.schema_version,
        stored.state,
        new_event_id(),
        *_columns(provenance),
    )


def _columns(provenance: Provenance) -> tuple[str, UUID, UUID | None, str | None, str | None]:
    return (
        provenance.actor,
        provenance.correlation_id,
        provenance.causation_id,
        provenance.request_id,
        provenance.traceparent,
    )


async def sealed_events(
    decisions: Sequence[Decision], partition_count: int, person_keys: KeyRing
) -> NewEvents:
    """As `new_events`, with the key of their owner where they say something personal. Raises PersonErased, too."""
    owner_id = require_appendable(decisions)
    key = person_keys.at_hand(owner_id)
    if key is None and _say_personal(decisions):
        key = await person_keys.provide(owner_id)
    return NewEvents(partition_of(owner_id, partition_count), decisions, key)


def new_events(decisions: Sequence[Decision], partition_count: int) -> NewEvents:
    """Of what says nothing personal. Raises ValueError when the caller broke the contract of EventStore."""
    return NewEvents(partition_of(require_appendable(decisions), partition_count), decisions)


def _say_personal(decisions: Sequence[Decision]) -> bool:
    for decision in decisions:
        for append in decision.appends:
            for event in append.events:
                if says_personal(event):
                    return True
    return False


def _rows_of(decisions: Sequence[Decision], partition: int, key: PersonKey | None) -> Iterator[NewEvent]:
    known: set[str] = set()
    for decision in decisions:
        for append in decision.appends:
            is_first = append.stream_id not in known
            yield from _rows(append, partition, decision.provenance, key, is_first=is_first)
            known.add(append.stream_id)


def _rows(
    append: StreamAppend, partition: int, provenance: Provenance, key: PersonKey | None, *, is_first: bool
) -> Iterator[NewEvent]:
    """`is_first` in its stream: only then is there a version to compare with what is stored."""
    said = _columns(provenance)
    expected = append.expected_version if is_first else None
    for version, event in enumerate(append.events, append.expected_version + 1):
        stored = type_of(event)
        yield NewEvent(
            partition,
            append.stream_id,
            version,
            expected,
            append.owner_id,
            stored.name,
            stored.schema_version,
            encode(event, version, key),
            new_event_id(),
            *said,
        )
        expected = None


async def append_group(
    connection: Connection, commands: Sequence[NewEvents], patience_seconds: float | None = None
) -> list[Address | VersionConflict]:
    """One round trip, and one transaction unless the connection is in one; an answer for each command.

    No two commands may touch the same stream. All partitions touched stay locked until the
    transaction ends. Sending the same commands again is safe: what is stored already answers as it did.
    Raises asyncpg.LockNotAvailableError when a partition stays locked by somebody else for longer than the patience,
    and PartitionDetached, with nothing appended, when one of them is not there.
    """
    patience_ms = None if patience_seconds is None else round(1000 * patience_seconds)
    async with detached_told(connection):
        rows = await connection.fetch(_SQL["append"], patience_ms, *literals_of(commands))
    answers = {row["command"]: row for row in rows}
    return [_answer(command, answers[number]) for number, command in enumerate(commands)]


async def held_partitions(connection: Connection, partitions: Collection[int]) -> set[int]:
    """Those that somebody else has locked at this moment."""
    free = await connection.fetch(_SQL["select_free_partitions"], list(partitions))
    return set(partitions) - {row["partition"] for row in free}


def columns_of(commands: Sequence[NewEvents]) -> Iterator[Sequence[Any]]:
    """The arrays that the SQL functions take."""
    yield [number for number, command in enumerate(commands) for _ in command.events]
    yield from zip(*(event for command in commands for event in command.events), strict=True)


def literals_of(commands: Sequence[NewEvents]) -> Iterator[Any]:
    """The same, its numbers and UUIDs as the text of such arrays.

    asyncpg asks of each number and UUID whether it is a container, which costs twice as much as the text does here,
    and PostgreSQL reads either in the same time.
    """
    literals = (_numbers_literal, *(_LITERALS.get(name, _as_it_is) for name in NewEvent._fields))
    for literal, column in zip(literals, columns_of(commands), strict=True):
        yield literal(column)


def _numbers_literal(numbers: Sequence[int | None]) -> str:
    return "{" + ",".join(["NULL" if each is None else str(each) for each in numbers]) + "}"


def _uuids_literal(uuids: Sequence[UUID | None]) -> str:
    return "{" + ",".join(["NULL" if each is None else f"{each.int:032x}" for each in uuids]) + "}"


def _as_it_is(column: Sequence[Any]) -> Sequence[Any]:
    return column


_LITERALS: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = {
    "partition": _numbers_literal,
    "version": _numbers_literal,
    "expected": _numbers_literal,
    "owner_id": _uuids_literal,
    "schema_version": _numbers_literal,
    "event_id": _uuids_literal,
    "correlation_id": _uuids_literal,
    "causation_id": _uuids_literal,
}


def _answer(command: NewEvents, row: Any) -> Address | VersionConflict:
    stream_id = row["conflicting_stream"]
    if stream_id is None:
        return Address(command.partition, row["last_seq"])
    return conflict_of(command, stream_id)


def conflict_of(command: NewEvents, stream_id: str) -> VersionConflict:
    expected = [event.expected for event in command.events if event.stream_id == stream_id]
    return VersionConflict(stream_id, expected[0] or 0)


async def append_within(
    connection: Connection,
    appends: Sequence[StreamAppend],
    provenance: Provenance,
    partition_count: int,
    person_keys: KeyRing,
) -> Address:
    """Appends as part of the caller's transaction, which must then end soon: it keeps writers of the partition waiting.

    Call it once per transaction and last, or two transactions may wait for each other. Raises
    VersionConflict, after which the caller's transaction must be rolled back.
    """
    events = await sealed_events([Decision(appends, provenance)], partition_count, person_keys)
    [answer] = await append_group(connection, [events])
    if isinstance(answer, VersionConflict):
        raise answer
    await announce_within(connection, answer.partition)
    return answer


async def announce_within(connection: Connection, partition: int) -> None:
    """Tells whoever listens that something was appended there, once the caller's transaction is committed."""
    await connection.execute(_SQL["announce_within"], CHANNEL, str(partition))
