"""The event store and the credentials in memory: what the unit tests run on, held to the same contracts."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from uuid import UUID

from domain.errors import EmailTaken
from domain.events import Event
from domain.log import (
    Address,
    Decision,
    LogRecord,
    Provenance,
    StreamAppend,
    StreamHead,
    StreamTail,
    VersionConflict,
)
from domain.ports import Clock, StoredCredentials
from domain.snapshots import Snapshot
from infrastructure.clock import SystemClock
from infrastructure.new_records import new_event_id, require_appendable
from infrastructure.wake_up import WakeUps
from schemas.events import decode, encode, type_of
from schemas.partitions import partition_of


class InMemoryEventStore:
    """An EventStore and an EventLog in one process; events go through the codec as they would on disk."""

    def __init__(self, partition_count: int, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._partitions: list[list[LogRecord]] = [[] for _ in range(partition_count)]
        self._streams: dict[str, list[LogRecord]] = defaultdict(list)
        self._appended = WakeUps()
        self._snapshots: dict[str, Snapshot] = {}

    @property
    def partition_count(self) -> int:
        return len(self._partitions)

    async def read_stream(self, stream_id: str) -> Sequence[Event]:
        stream = self._streams.get(stream_id, [])
        return [decode(record.type, record.schema_version, record.data) for record in stream]

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        partition = None if owner_id is None else partition_of(owner_id, self.partition_count)
        tails: dict[str, StreamTail] = {}
        for stream_id, head in heads.items():
            stream = self._streams.get(stream_id, [])
            is_there = partition is None or any(record.partition == partition for record in stream[:1])
            tails[stream_id] = _tail(stream if is_there else [], head, events_max)
            events_max -= len(tails[stream_id].events)
            if events_max <= 0:
                break
        return tails

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        [address] = await self.append_chain([Decision(appends, provenance)])
        return address

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        owner_id = require_appendable(decisions)
        partition = partition_of(owner_id, self.partition_count)
        self._require_versions([append for decision in decisions for append in decision.appends])
        # Nothing here awaits or fails, so the append is atomic.
        addresses = [self._append(partition, decision) for decision in decisions]
        self._appended.ring([partition])
        return addresses

    def _require_versions(self, appends: Sequence[StreamAppend]) -> None:
        first: dict[str, StreamAppend] = {}
        for append in appends:
            first.setdefault(append.stream_id, append)
        for append in first.values():
            if len(self._streams.get(append.stream_id, [])) != append.expected_version:
                raise VersionConflict(append.stream_id, append.expected_version)

    def _append(self, partition: int, decision: Decision) -> Address:
        for append in decision.appends:
            for version, event in enumerate(append.events, append.expected_version + 1):
                self._store(self._record(partition, append, version, event, decision.provenance))
        return Address(partition, len(self._partitions[partition]))

    def _store(self, record: LogRecord) -> None:
        self._partitions[record.partition].append(record)
        self._streams[record.stream_id].append(record)

    def _record(
        self, partition: int, append: StreamAppend, version: int, event: Event, provenance: Provenance
    ) -> LogRecord:
        stored_type = type_of(event)
        return LogRecord(
            partition=partition,
            seq=len(self._partitions[partition]) + 1,
            stream_id=append.stream_id,
            version=version,
            owner_id=append.owner_id,
            type=stored_type.name,
            schema_version=stored_type.schema_version,
            data=encode(event),
            event_id=new_event_id(),
            recorded_at=self._clock.now(),
            actor=provenance.actor,
            correlation_id=provenance.correlation_id,
            causation_id=provenance.causation_id,
            request_id=provenance.request_id,
            traceparent=provenance.traceparent,
        )

    async def read_snapshots(self, stream_ids: Collection[str]) -> Mapping[str, Snapshot]:
        return {each: self._snapshots[each] for each in stream_ids if each in self._snapshots}

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        self._snapshots[snapshot.stream_id] = snapshot

    async def read(self, partition: int, after_seq: int, limit: int) -> Sequence[LogRecord]:
        return self._partitions[partition][after_seq : after_seq + limit]

    async def read_each(self, after: Mapping[int, int], limit: int) -> Mapping[int, Sequence[LogRecord]]:
        return {partition: await self.read(partition, seq, limit) for partition, seq in after.items()}

    async def head(self, partition: int) -> int:
        return len(self._partitions[partition])

    async def wait_for_append(self, partitions: Collection[int], timeout_seconds: float) -> None:
        await self._appended.wait(partitions, timeout_seconds)

    def __iter__(self) -> Iterator[LogRecord]:
        """Every record, partition by partition: for tests to look at."""
        return (record for partition in self._partitions for record in partition)


def _tail(stream: Sequence[LogRecord], known: StreamHead, events_max: int) -> StreamTail:
    holds = 0 < known.version <= len(stream) and stream[known.version - 1].event_id == known.event_id
    after = known if holds else StreamHead()
    new = stream[after.version : after.version + events_max]
    return StreamTail(
        after=after,
        events=[decode(record.type, record.schema_version, record.data) for record in new],
        head=StreamHead(new[-1].version, new[-1].event_id) if new else after,
    )


class InMemoryCredentials:
    def __init__(self, store: InMemoryEventStore) -> None:
        self._store = store
        self._credentials: dict[str, StoredCredentials] = {}

    async def register(
        self,
        email: str,
        credentials: StoredCredentials,
        appends: Sequence[StreamAppend],
        provenance: Provenance,
    ) -> Address:
        if email in self._credentials:
            raise EmailTaken
        address = await self._store.append(appends, provenance)
        self._credentials[email] = credentials
        return address

    async def find(self, email: str) -> StoredCredentials | None:
        return self._credentials.get(email)
