"""What the rules and handlers need from the world, as protocols; the adapters are in `infrastructure`."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

from msgspec import Struct

from domain.alignment import Found
from domain.events import Event
from domain.instructions import Instructions
from domain.languages import Abilities
from domain.log import (
    Address,
    Decision,
    LogRecord,
    Provenance,
    RecordedEvent,
    StreamAppend,
    StreamHead,
    StreamTail,
)
from domain.personal import PersonalText
from domain.snapshots import Snapshot
from domain.transcript import Segment


@runtime_checkable
class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class EventStoreUnavailable(Exception):
    """No answer in time. Whether what was to be appended is stored is not known."""


class PartitionDetached(EventStoreUnavailable):
    """Partitions of the log that are not there, since somebody took them away; nothing was appended."""

    def __init__(self, partitions: Collection[int], remedy: str = "attach what was detached") -> None:
        numbers = sorted(partitions)
        told = f"partition {numbers[0]} is" if len(numbers) == 1 else f"partitions {numbers} are"
        super().__init__(f"{told} detached from the event log: {remedy}")
        self.partitions = frozenset(numbers)


class EventUnreadable(Exception):
    """A stored event cannot be read here: the key of its person is missing or does not fit, or its type is not known.

    It stays so until somebody has mended it. The message names no person.
    """


@runtime_checkable
class EventStore(Protocol):
    """The write side's view of the log. Every method may raise EventStoreUnavailable or PartitionDetached.

    Those that read may raise EventUnreadable, and those that append PersonErased when the events say something personal.
    """

    async def read_stream(self, stream_id: str) -> Sequence[Event]:
        """All events of a stream in order; the stream's version is their count."""
        ...

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        """What follows each of these heads, in one round trip, by the stream's id.

        With fewer than `events_max` events in all there is nothing more; else the last streams may have been cut off.
        Streams are looked for where those of `owner_id` lie, and there alone; without one everywhere, which takes longer.
        """
        ...

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        """Appends to all streams or to none, and returns the address of the last event.

        All streams of one call have the same owner, and each is named once. Raises VersionConflict.
        """
        ...

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        """Appends all decisions in their order or none, and returns the address of the last event of each.

        Each may stand on those before it: it expects their streams at the versions they leave. One decision names
        each stream once, and all have the same owner. Raises VersionConflict.
        """
        ...

    async def read_snapshots(self, stream_ids: Collection[str]) -> Mapping[str, Snapshot]:
        """Of these streams those that have one, as it was written: whoever uses it looks whether it fits the log."""
        ...

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        """In the place of the one before, whatever that was of."""
        ...


@runtime_checkable
class EventLog(Protocol):
    """The readers' view of the log: partitions of gap-free sequences. Reading one that is away raises PartitionDetached."""

    @property
    def partition_count(self) -> int: ...

    async def read(self, partition: int, after_seq: int, limit: int) -> Sequence[LogRecord]:
        """The records that follow `after_seq`, in order and without a gap; empty at the end."""
        ...

    async def read_each(self, after: Mapping[int, int], limit: int) -> Mapping[int, Sequence[LogRecord]]:
        """As `read`, of several partitions at once: what follows the `seq` that stands at each, if anything does."""
        ...

    async def head(self, partition: int) -> int:
        """The last `seq` of a partition, 0 when it is empty."""
        ...

    async def wait_for_append(self, partitions: Collection[int], timeout_seconds: float) -> None:
        """Returns when something was appended in one of them since the last call, or at the timeout. May return early."""
        ...


class FeedRecord(Struct, frozen=True, kw_only=True):
    """A stored event as Kafka delivered it; `offset` is only a hint for where to resume."""

    record: RecordedEvent
    offset: int


class FeedPosition(Struct, frozen=True, kw_only=True):
    """Where a consumer is: the last `seq` it has dealt with, and the offset to look at next if it knows."""

    seq: int = 0
    next_offset: int | None = None


@runtime_checkable
class EventFeed(Protocol):
    """The consumers' view of the events topic: what the log holds, in order, each event once."""

    async def follow(self, positions: Mapping[int, FeedPosition]) -> None:
        """Follows exactly these partitions from now on; partitions already followed keep their place."""
        ...

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        """The next records by partition, contiguous from the position; empty at the timeout."""
        ...

    def rewind(self, partition: int, position: FeedPosition) -> None:
        """Makes the next batch of `partition` start after `position` again."""
        ...


@runtime_checkable
class Leases(Protocol):
    """Slots of one role (its partitions, say) shared out evenly among any number of processes."""

    async def renew(self) -> Collection[int]:
        """Announces this process, drops its surplus, claims its share; returns the slots it now holds.

        Call it every `renew_seconds`. A holder that could not renew for a whole lease has lost every slot.
        """
        ...

    async def release(self) -> None:
        """Gives all slots up at once, so that others need not wait for the lease to run out."""
        ...


class StoredCredentials(Struct, frozen=True, kw_only=True):
    """`leaves` says whether the user has asked to be erased."""

    user_id: UUID
    password_hash: bytes
    leaves: bool = False


class OwnCredentials(StoredCredentials, frozen=True, kw_only=True):
    """With the address, for who is known already."""

    email: PersonalText


@runtime_checkable
class Credentials(Protocol):
    """Password hashes, outside the log; the e-mail address, in its one form (`email_of`), is unique here."""

    async def register(
        self,
        email: str,
        credentials: StoredCredentials,
        appends: Sequence[StreamAppend],
        provenance: Provenance,
    ) -> Address:
        """Stores the credentials and appends, both or neither. Raises EmailTaken."""
        ...

    async def find(self, email: str) -> StoredCredentials | None: ...

    async def find_of(self, user_id: UUID) -> OwnCredentials | None:
        """None also for who is erased."""
        ...

    async def request_erasure(self, user_id: UUID, append: StreamAppend, provenance: Provenance) -> Address:
        """Marks the credentials and appends, both or neither. Raises VersionConflict, or PersonErased without any."""
        ...


@runtime_checkable
class PersonKeys(Protocol):
    """The keys with which what is personal in the log is sealed."""

    async def erase(self, owner_id: UUID) -> None:
        """For ever, also of who never had one; again is fine. May raise EventStoreUnavailable."""
        ...


class ObjectMissing(Exception):
    """No object has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no object {key}")
        self.key = key


class ObjectStoreUnavailable(Exception):
    """The object store cannot be reached, or takes nothing; it is worth another try later."""


@runtime_checkable
class ObjectStore(Protocol):
    """Objects by key: media in, transcripts out. An object appears whole or not at all.

    Every method may raise ObjectStoreUnavailable.
    """

    async def put(self, key: str, content: bytes) -> None: ...

    async def put_file(self, key: str, path: Path) -> None: ...

    async def get(self, key: str) -> bytes:
        """Raises ObjectMissing."""
        ...

    def stream(
        self, key: str, chunk_bytes: int = 1 << 20, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from `start` on, those from `end` on not among them; at least one of them has to be there.

        Raises ObjectMissing at the first chunk.
        """
        ...

    async def fetch(self, key: str, path: Path) -> None:
        """Writes the object to a new file at `path`. Raises ObjectMissing."""
        ...

    async def exists(self, key: str) -> bool: ...

    async def delete(self, key: str) -> None:
        """Deleting what is not there is fine."""
        ...

    async def delete_all(self, folder: str) -> None:
        """Every object whose key begins with `folder` and a slash, and what is on its way to such a key.

        What is put there meanwhile may stay; whoever puts it may be told that the store is unavailable. Asked again it
        takes the rest away.
        """
        ...


class Window(Struct, frozen=True, kw_only=True):
    """A stretch of sound to transcribe alone: 16 kHz mono signed 16-bit little-endian PCM."""

    index: int
    start_ms: int
    end_ms: int
    pcm: bytes
    language_before: str | None = None
    """What is spoken most of the time before it, as far as it is known: a doubtful language gives way to it."""


UNDETERMINED: Final = "und"
"""The language of a window in which nobody speaks (ISO 639-2)."""


class Recognised(Struct, frozen=True, kw_only=True):
    """What an engine heard in one window; times count from the start of the recording."""

    segments: Sequence[Segment]
    language: str
    language_probability: float | None = None
    """How sure the engine is of the language; None where it was told, or cannot say."""


@runtime_checkable
class Engine(Protocol):
    """Speech in, timed words out. Runs in a process of its own, which may be killed at any moment."""

    @property
    def name(self) -> str:
        """Engine, model and settings: two engines with one name give the same words."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What its model knows; said to all who may ask for a language."""
        ...

    @property
    def window_seconds(self) -> float:
        """About how long windows are to be, unless somebody asked for another length."""
        ...

    def transcribe(
        self, window: Window, instructions: Instructions, heard: Callable[[int], None]
    ) -> Recognised:
        """Calls `heard` with how far it has come, in ms from the start of the recording.

        Every word lies within the window, in order and without overlap. Raises what `require_able` does.
        """
        ...


@runtime_checkable
class AligningEngine(Engine, Protocol):
    """An engine that finds words in sound that it is told, and says so by its abilities."""

    def find(self, window: Window, words: Sequence[str], language: str) -> Sequence[Found]:
        """Where in the window each of the words is said, in order; nothing where that is not to be had."""
        ...
