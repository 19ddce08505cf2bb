"""The numbers that the examples compute, computed from the log itself in the plainest way."""

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from domain.log import RecordedEvent
from domain.quota import QuotaDebited
from domain.transcription_events import (
    TranscriptionCancelled,
    TranscriptionCompleted,
    TranscriptionFailed,
)
from schemas.events import decode
from schemas.sealing import BLIND


class Day(Struct):
    minutes: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def failure_rate(self) -> float | None:
        ended = self.completed + self.failed
        return round(self.failed / ended, 4) if ended else None


def days_of(log: Iterable[RecordedEvent]) -> dict[str, Day]:
    """By the day in UTC."""
    days: dict[str, Day] = defaultdict(Day)
    for record in log:
        match decode(record.type, record.schema_version, record.data, keys=BLIND):
            case QuotaDebited(debited_at=moment, minutes=minutes):
                days[str(moment.date())].minutes += minutes
            case TranscriptionCompleted(completed_at=moment):
                days[str(moment.date())].completed += 1
            case TranscriptionFailed(failed_at=moment):
                days[str(moment.date())].failed += 1
            case TranscriptionCancelled(cancelled_at=moment):
                days[str(moment.date())].cancelled += 1
            case _:
                pass
    return dict(days)
