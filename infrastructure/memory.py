"""The event store, the credentials and the keys of people in memory: what the unit tests run on, held to the same contracts."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from uuid import UUID

from msgspec import structs

from domain.errors import EmailTaken, PersonErased
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
from domain.ports import Clock, OwnCredentials, StoredCredentials
from domain.snapshots import Snapshot
from infrastructure.clock import SystemClock
from infrastructure.new_records import new_event_id, require_appendable
from infrastructure.unreadable import unreadable_told
from infrastructure.wake_up import WakeUps
from schemas.events import encode, opened, owners_of_sealed, says_personal, type_of
from schemas.partitions import partition_of
from schemas.sealing import KeyRing, Keys, PersonKey


class InMemoryKeys:
    """A KeyRing."""

    def __init__(self) -> None:
        self._keys: dict[UUID, PersonKey | None] = {}

    async def of(self, owner_ids: Collection[UUID]) -> Keys:
        return {owner_id: self._keys[owner_id] for owner_id in owner_ids if owner_id in self._keys}

    def at_hand(self, owner_id: UUID) -> PersonKey | None:
        return self._keys.get(owner_id)

    async def provide(self, owner_id: UUID) -> PersonKey:
        key = self._keys.setdefault(owner_id, PersonKey.new())
        if key is None:
            raise PersonErased
        return key

    async def erase(self, owner_id: UUID) -> None:
        self._keys[owner_id] = None


class InMemoryEventStore:
    """An EventStore and an EventLog in one process; events go through the codec as they would on disk."""

    def __init__(
        self, partition_count: int, clock: Clock | None = None, person_keys: KeyRing | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self.person_keys = person_keys or InMemoryKeys()
        self._partitions: list[list[LogRecord]] = [[] for _ in range(partition_count)]
        self._streams: dict[str, list[LogRecord]] = defaultdict(list)
        self._appended = WakeUps()
        self._snapshots: dict[str, Snapshot] = {}

    @property
    def partition_count(self) -> int:
        return len(self._partitions)

    async def read_stream(self, stream_id: str) -> Sequence[Event]:
        return await self._opened(self._streams.get(stream_id, []))

    async def _opened(self, records: Sequence[LogRecord]) -> list[Event]:
        with unreadable_told():
            keys = await self.person_keys.of(owners_of_sealed(records))
            return [opened(record, keys) for record in records]

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        partition = None if owner_id is None else partition_of(owner_id, self.partition_count)
        tails: dict[str, StreamTail] = {}
        for stream_id, head in heads.items():
            stream = self._streams.get(stream_id, [])
            is_there = partition is None or any(record.partition == partition for record in stream[:1])
            tails[stream_id] = await self._tail(stream if is_there else [], head, events_max)
            events_max -= len(tails[stream_id].events)
            if events_max <= 0:
                break
        return tails

    async def _tail(self, stream: Sequence[LogRecord], known: StreamHead, events_max: int) -> StreamTail:
        holds = 0 < known.version <= len(stream) and stream[known.version - 1].event_id == known.event_id
        after = known if holds else StreamHead()
        new = stream[after.version : after.version + events_max]
        head = StreamHead(new[-1].version, new[-1].event_id) if new else after
        return StreamTail(after=after, events=await self._opened(new), head=head)

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        [address] = await self.append_chain([Decision(appends, provenance)])
        return address

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        owner_id = require_appendable(decisions)
        partition = partition_of(owner_id, self.partition_count)
        key = await self._key_for(owner_id, decisions)
        self._require_versions([append for decision in decisions for append in decision.appends])
        # Nothing here awaits or fails, so the append is atomic.
        addresses = [self._append(partition, decision, key) for decision in decisions]
        self._appended.ring([partition])
        return addresses

    async def _key_for(self, owner_id: UUID, decisions: Sequence[Decision]) -> PersonKey | None:
        events = (event for decision in decisions for append in decision.appends for event in append.events)
        return await self.person_keys.provide(owner_id) if any(map(says_personal, events)) else None

    def _require_versions(self, appends: Sequence[StreamAppend]) -> None:
        first: dict[str, StreamAppend] = {}
        for append in appends:
            first.setdefault(append.stream_id, append)
        for append in first.values():
            if len(self._streams.get(append.stream_id, [])) != append.expected_version:
                raise VersionConflict(append.stream_id, append.expected_version)

    def _append(self, partition: int, decision: Decision, key: PersonKey | None) -> Address:
        for append in decision.appends:
            for version, event in enumerate(append.events, append.expected_version + 1):
                said = decision.provenance
                self._store(self._record(partition, append, version, event=event, key=key, provenance=said))
        return Address(partition, len(self._partitions[partition]))

    def _store(self, record: LogRecord) -> None:
        self._partitions[record.partition].append(record)
        self._streams[record.stream_id].append(record)

    def _record(
        self,
        partition: int,
        append: StreamAppend,
        version: int,
        *,
        event: Event,
        key: PersonKey | None,
        provenance: Provenance,
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
            data=encode(event, version, key),
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

    async def find_of(self, user_id: UUID) -> OwnCredentials | None:
        for email, each in self._credentials.items():
            if each.user_id == user_id:
                return OwnCredentials(email=email, **structs.asdict(each))
        return None

    async def request_erasure(self, user_id: UUID, append: StreamAppend, provenance: Provenance) -> Address:
        own = await self.find_of(user_id)
        if own is None:
            raise PersonErased
        address = await self._store.append([append], provenance)
        self._credentials[own.email] = structs.replace(self._credentials[own.email], leaves=True)
        return address
