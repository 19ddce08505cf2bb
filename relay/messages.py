"""Log records as the messages of one transaction: the events, what workers must hear of, and checkpoints."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.log import LogRecord
from infrastructure.kafka.batches import Message
from schemas.checkpoints import RelayCheckpoint, encode_checkpoint
from schemas.partitions import partition_of
from schemas.topics import Headers, Topics, headers_of, job_headers_of

ROUTED: Final = frozenset(
    {"TranscriptionStarted", "TranscriptionAttemptFailed", "TranscriptionCancelled", "AlignmentStarted"}
)
"""The stored names of the events that are for one worker, when they name one."""


class _Addressed(Struct):
    """Reads this one field only, so that an older relay can route the events of a newer API."""

    worker_id: UUID | None = None


_ADDRESS: Final = msgspec.json.Decoder(_Addressed)


def messages_of(
    records: Sequence[LogRecord], topics: Topics, partition: int, partition_count: int
) -> Iterator[Message]:
    for record in records:
        headers = headers_of(record)
        yield Message(topics.events, partition, str(record.owner_id).encode(), record.data, headers)
        if record.type in ROUTED and (worker_id := _ADDRESS.decode(record.data).worker_id):
            yield _job(record, headers, worker_id, topics, partition_count)


def checkpoint_of(partition: int, seq: int, topics: Topics) -> Message:
    checkpoint = RelayCheckpoint(partition=partition, seq=seq)
    return Message(
        topics.checkpoints, partition, str(partition).encode(), encode_checkpoint(checkpoint), []
    )


def _job(
    record: LogRecord, headers: Headers, worker_id: UUID, topics: Topics, partition_count: int
) -> Message:
    key = str(worker_id).encode()
    where = partition_of(worker_id, partition_count)
    return Message(topics.jobs, where, key, record.data, job_headers_of(headers, record.partition))


def within_bytes(records: Sequence[LogRecord], bytes_max: int) -> Sequence[LogRecord]:
    """The first of these records whose data fits into `bytes_max`; at least one, if there is one."""
    total_bytes = 0
    for count, record in enumerate(records):
        total_bytes += len(record.data)
        if count and total_bytes > bytes_max:
            return records[:count]
    return records
