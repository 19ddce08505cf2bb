"""How far one partition of a lane is relayed."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from aiokafka.structs import RecordMetadata

from domain.log import LogRecord
from relay.kafka_state import KafkaState, KafkaWentBack


class LogGap(Exception):
    """The log gave records that do not follow each other: a bug, and nothing is sent."""


@dataclass(slots=True, eq=False)
class Place:
    partition: int
    seq: int = 0
    """The last event that is known to be in Kafka; 0 while none is."""
    event_id: UUID | None = None
    """Of the event at `seq`, when that is known."""
    offset: int = -1
    checkpoint: int | None = None
    """What the checkpoint in Kafka says."""
    checkpoint_at: float = 0.0
    """When it is written next, if it says less than there is."""
    is_known: bool = False
    """Whether Kafka was looked at since the producer started."""
    failures: int = 0
    """Of transactions, in a row. Where there are some, this partition is sent in one of its own."""
    retries: int = 0
    """Of looks at Kafka and the log, in a row."""
    not_before: float = 0.0
    is_waiting: bool = False
    """Whether it was told that it stands still until somebody has done something."""

    def resume(self, state: KafkaState) -> None:
        self.seq, self.event_id = state.resume_after, state.last_event_id
        self.offset, self.checkpoint = state.last_offset, state.checkpoint
        self.is_known, self.retries = True, 0

    @property
    def overlap(self) -> int:
        """The last event that was relayed is read again, if there is one: is it still the same?"""
        return min(self.seq, 1)

    def require_contiguous(self, read: Sequence[LogRecord]) -> None:
        """Of what was read after the last event but one. Raises LogGap."""
        for expected, record in enumerate(read, self.seq - self.overlap + 1):
            if record.seq != expected:
                raise LogGap(f"partition {self.partition} has {record.seq} where {expected} belongs")

    def put_off(self, not_before: float) -> None:
        """Then it is looked at anew."""
        self.is_known = False
        self.retries += 1
        self.not_before = not_before

    def seq_after(self, records: Sequence[LogRecord]) -> int:
        """Where it stands when these are in Kafka."""
        return records[-1].seq if records else self.seq

    def is_checkpoint_due(self, records: Sequence[LogRecord], now: float) -> bool:
        """Also with the very first records: without any checkpoint nobody knows what retention has removed."""
        return self.checkpoint != self.seq_after(records) > 0 and now >= self.checkpoint_at

    def require_forward(self, sent: Sequence[RecordMetadata]) -> None:
        """Before the commit: when Kafka has lost events meanwhile, these must not come after the gap."""
        first = min((each.offset for each in sent), default=self.offset + 1)
        if first <= self.offset:
            raise KafkaWentBack(f"events came to lie at {first}, after others at {self.offset}")

    def advance(
        self,
        records: Sequence[LogRecord],
        sent: Sequence[RecordMetadata],
        now: float,
        *,
        checkpoint_seconds: float,
    ) -> None:
        """These were committed at `now`, and with them the checkpoint if it was due; the next one may be so much later."""
        is_checkpoint_due = self.is_checkpoint_due(records, now)
        if is_checkpoint_due:
            self.checkpoint = self.seq_after(records)
        if is_checkpoint_due or self.checkpoint == self.seq:
            self.checkpoint_at = now + checkpoint_seconds
        if records:
            self.seq, self.event_id = records[-1].seq, records[-1].event_id
            self.offset = max(each.offset for each in sent)
        self.failures = 0
