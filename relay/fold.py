"""Events of one partition, folded into facts in memory: which are to be told, and from where on."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from domain.log import LogRecord
from domain.transcription import TRANSCRIPTION
from infrastructure.kafka.batches import Message
from schemas.events import UnknownEventType
from schemas.facts import TranscriptionFact, encode_fact, evolve_fact, fact_headers_of
from schemas.topics import Topics

STREAMS_MAX: Final = 10_000
"""Of a partition, whose state is kept in memory: those in which something happened last."""

_OURS: Final = f"{TRANSCRIPTION.category}-"


class Fold:
    """`seq` is the last event that is dealt with; what `messages` makes of more counts once it is settled."""

    def __init__(self, topics: Topics, partition: int, seq: int) -> None:
        self._topics = topics
        self._partition = partition
        self._states: OrderedDict[str, tuple[int, TranscriptionFact | None]] = OrderedDict()
        """Of each stream its version and what the transcription is then: nothing, once it is deleted."""
        self._reached = seq
        self.seq = seq
        self.has_moved = False
        self.problem: Exception | None = None
        """Why it stands still: an event of a version that only a newer Stenolog knows."""

    def missing(self, records: Sequence[LogRecord]) -> Mapping[str, int]:
        """The streams of which something came before that is not known here, and before which version."""
        first: dict[str, int] = {}
        for record in _ours(records):
            first.setdefault(record.stream_id, record.version)
        return {stream: version for stream, version in first.items() if self._version(stream) < version - 1}

    def learn(self, earlier: Sequence[LogRecord]) -> None:
        """Raises what `evolve_fact` does."""
        for record in earlier:
            self._evolve(record)

    def messages(self, records: Sequence[LogRecord]) -> Sequence[Message]:
        """One for each transcription in which something happened, in the order of what happened last."""
        last: dict[str, LogRecord] = {}
        self.problem = None
        for record in records:
            try:
                if record.stream_id.startswith(_OURS):
                    self._evolve(record)
                    last.pop(record.stream_id, None)
                    last[record.stream_id] = record
            except (UnknownEventType, msgspec.ValidationError) as problem:
                self.problem = problem
                break
            self._reached = record.seq
        return [self._message(record) for record in last.values()]

    def settle(self) -> None:
        """What it made messages of is told."""
        self.has_moved, self.seq = self._reached > self.seq, self._reached
        while len(self._states) > STREAMS_MAX:
            self._states.popitem(last=False)

    def _version(self, stream_id: str) -> int:
        return self._states[stream_id][0] if stream_id in self._states else 0

    def _evolve(self, record: LogRecord) -> None:
        version, fact = self._states.pop(record.stream_id, (0, None))
        if record.version > version:
            version, fact = record.version, evolve_fact(fact, record)
        self._states[record.stream_id] = version, fact

    def _message(self, last: LogRecord) -> Message:
        _, fact = self._states[last.stream_id]
        key = last.stream_id.removeprefix(_OURS).encode()
        value = None if fact is None else encode_fact(fact)
        return Message(self._topics.facts, self._partition, key, value, fact_headers_of(last))


def _ours(records: Sequence[LogRecord]) -> Sequence[LogRecord]:
    return [each for each in records if each.stream_id.startswith(_OURS)]
