"""What happened to transcriptions, counted from the log since the processes of this API began to look."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric as Family

from api.shared_counts import Counted, SharedCounts
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from infrastructure.telemetry import metrics
from infrastructure.telemetry.kinds import NoLabels, ReadCounter
from infrastructure.telemetry.metrics import Reason

EVENTS_MAX: Final = 100_000
"""Of a partition, at one look: what is left is counted at the next."""
REASONS_MAX: Final = 50
"""More than there are; a worker that made them up would count under OTHER."""
OTHER: Final = "other"

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
_REASON: Final = re.compile(r"[a-z_]{1,40}")
_COUNTED: Final[Mapping[str, ReadCounter[NoLabels]]] = {
    "TranscriptionRequested": metrics.TRANSCRIPTIONS_REQUESTED,
    "TranscriptionStarted": metrics.ATTEMPTS_STARTED,
    "TranscriptionCompleted": metrics.TRANSCRIPTIONS_COMPLETED,
    "TranscriptionCancelled": metrics.TRANSCRIPTIONS_CANCELLED,
}
_WITH_REASON: Final[Mapping[str, ReadCounter[Reason]]] = {
    "TranscriptionAttemptFailed": metrics.ATTEMPTS_FAILED,
    "TranscriptionFailed": metrics.TRANSCRIPTIONS_FAILED,
}


class LogCounts:
    """Counts what the log got since the last look, each event once; the first look only finds the place."""

    def __init__(self, shared: SharedCounts | None = None) -> None:
        self._shared = shared
        self._seqs: dict[int, int] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    async def look(self, connection: Connection) -> None:
        """Where others count as well, one at a time does, and goes on from what is common to all."""
        if self._shared is None:
            await self._count(connection)
            return
        with self._shared.turn() as is_ours:
            self._take(self._shared.load())
            if is_ours:
                await self._count(connection)
                self._shared.save(self._counted())

    def _take(self, counted: Counted) -> None:
        self._seqs = dict(counted.seqs)
        self._counts = Counter({(name, reason): count for name, reason, count in counted.counts})

    def _counted(self) -> Counted:
        return Counted(self._seqs, [(*key, count) for key, count in self._counts.items()])

    async def _count(self, connection: Connection) -> None:
        heads = {row["partition"]: row["seq"] for row in await connection.fetch(_SQL["heads"])}
        # A head that lies before what was seen is that of another log: begin anew.
        seen = {each: min(self._seqs.get(each, head), head) for each, head in heads.items()}
        goals = {each: min(head, seen[each] + EVENTS_MAX) for each, head in heads.items()}
        types = [*_COUNTED, *_WITH_REASON]
        spans = list(heads), [seen[each] for each in heads], [goals[each] for each in heads]
        rows = await connection.fetch(_SQL["count"], *spans, types, list(_WITH_REASON))
        for row in rows:
            self._counts[row["type"], self._label(row["reason"])] += row["events"]
        self._seqs = goals

    def families(self) -> list[Family]:
        counted = [metric.of([(NoLabels(), self._counts[name, ""])]) for name, metric in _COUNTED.items()]
        with_reason = [
            metric.of((Reason(why), count) for (each, why), count in self._counts.items() if each == name)
            for name, metric in _WITH_REASON.items()
        ]
        return [*counted, *with_reason]

    def _label(self, reason: str | None) -> str:
        """Reasons are codes; but they come from workers, and the number of series is to stay bounded."""
        if reason is None:
            return ""
        known = {why for _, why in self._counts}
        fits = _REASON.fullmatch(reason) and (reason in known or len(known) < REASONS_MAX)
        return reason if fits else OTHER
