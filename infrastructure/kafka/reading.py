"""How far a feed has handed out one partition, and from where it takes what comes next."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domain.log import RecordedEvent
from domain.ports import FeedPosition, FeedRecord

LOOK_SECONDS: Final = 0.5
"""How often the log is asked for what comes next while Kafka does not give it."""
RETURN_SECONDS: Final = 60.0
"""After how long it is tried whether Kafka gives what is new."""


@dataclass(slots=True)
class Reading:
    """One partition of the events topic."""

    seq: int
    next_offset: int
    from_beginning: bool
    """The partition was read from its beginning since the last event: going back again finds nothing."""
    complained: bool = False
    buried_offset: int = -1
    """Dead letters up to here were buried already: going back does not bury them again."""
    in_kafka: bool = True
    """Whether Kafka is read; False for a while where it is damaged."""
    substituted: bool = False
    """Whether what comes next is taken from elsewhere, perhaps beside Kafka."""
    look_at: float = 0.0
    """When to look there next, by monotonic clock."""
    return_at: float = 0.0

    @classmethod
    def at(cls, position: FeedPosition) -> "Reading":
        return cls(
            seq=position.seq,
            next_offset=position.next_offset or 0,
            from_beginning=not position.next_offset,
        )

    def advance(self) -> None:
        self.seq += 1
        self.from_beginning = self.complained = self.substituted = False

    def leave_kafka(self, offset: int) -> None:
        """It is damaged from this offset on."""
        self.in_kafka, self.substituted = False, True
        self.next_offset = max(self.next_offset, offset)
        self.look_at = 0.0
        self.stay_away()

    def stay_away(self) -> None:
        self.return_at = time.monotonic() + RETURN_SECONDS

    @property
    def may_return(self) -> bool:
        return not self.in_kafka and time.monotonic() >= self.return_at

    @property
    def is_due(self) -> bool:
        """Whether it is time to look what the log has."""
        return self.substituted and time.monotonic() >= self.look_at

    def substitute(self, records: Sequence[RecordedEvent]) -> Sequence[FeedRecord]:
        """Hands these out. They have no offsets, so where Kafka was read last is where it is read after a restart."""
        self.seq = records[-1].seq
        self.from_beginning = self.complained = False
        return [FeedRecord(record=each, offset=self.next_offset - 1) for each in records]

    def wait(self) -> None:
        self.look_at = time.monotonic() + LOOK_SECONDS
