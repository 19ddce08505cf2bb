"""Whether a partition still is the one that was read: the last message is read again, and must be the same."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from infrastructure.kafka.consumer import ConsumedMessage

STRIDE: Final = 8
"""How far to go back for a message to know the partition by: markers of transactions take offsets, too."""


class PartitionChanged(Exception):
    """What was read there is there no longer: the topic was made again, or Kafka lost its end and was filled again."""


class _Known(NamedTuple):
    """A message to know the partition by. No two have the same timestamp, and the same offset in two lives of a topic."""

    offset: int
    timestamp: int
    content: int


class Continuity:
    """Where the reading of one partition goes on, and what lay just before.

    An offset means nothing in a topic that was made again: who stands at offset 3 when the new one has come to
    offset 3 as well waits there for ever, and misses the three before; Kafka calls that no error. So a reader
    goes back to the last message it has seen, at each new connection and whenever nothing comes, and looks
    whether it is still there.
    """

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self._known: _Known | None = None
        self._expected: _Known | None = None
        self._going_back = False
        self._from = 0

    @property
    def in_doubt(self) -> bool:
        """Whether the last message was asked for again and has not come."""
        return self._going_back and self._expected is not None

    def go_back(self) -> int:
        """The offset to read from, so that what comes first tells whether the partition is the same."""
        self._going_back = self.next_offset > 0
        self._expected = self._known
        self._from = self._known.offset if self._known else max(0, self.next_offset - STRIDE)
        return self._from

    def go_to(self, offset: int) -> None:
        """Forgets what was read; nothing is known of what lies before this offset."""
        self.next_offset = offset
        self._known = None
        self._going_back = False

    def news(self, messages: Sequence[ConsumedMessage]) -> Sequence[ConsumedMessage]:
        """What was not read yet, in order. Raises PartitionChanged.

        Messages before the offset that was asked for mean that the broker had nothing there any more: then
        the client reads the partition from its beginning, and all of it is news.
        """
        first = 0
        while self._going_back and first < len(messages):
            first += self._is_old(messages[first])
        if fresh := messages[first:]:
            self.next_offset = fresh[-1].offset + 1
            self._known = _known(fresh[-1])
        return fresh

    def _is_old(self, message: ConsumedMessage) -> bool:
        """Also learns what lies before our place, where that is not known."""
        if message.offset < self._from:
            self._going_back = False
            return False
        if self._expected is not None:
            if _known(message) != self._expected:
                raise PartitionChanged
            self._going_back = False
            return True
        if message.offset < self.next_offset:
            self._known = _known(message)
            return True
        self._going_back = False
        return False


def _known(message: ConsumedMessage) -> _Known:
    return _Known(message.offset, message.timestamp, hash((message.key, message.value)))
