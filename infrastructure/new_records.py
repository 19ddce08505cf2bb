"""What every event store does before it stores: checks the appends and gives each event its identity."""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from domain.log import Decision, StreamAppend

_BYTES: Final = 10
_IDS_PER_BLOCK: Final = 256


def require_appendable(decisions: Sequence[Decision]) -> UUID:
    """The one owner of all appends. Raises ValueError when the caller broke the contract of EventStore."""
    if len(decisions) == 1 and len(decisions[0].appends) == 1 and decisions[0].appends[0].events:
        return decisions[0].appends[0].owner_id  # There is nothing that it could contradict.
    appends = [append for decision in decisions for append in decision.appends]
    owners = {append.owner_id for append in appends}
    if len(owners) != 1:
        raise ValueError(f"one append has one owner, not {len(owners)}")
    for decision in decisions:
        if len({append.stream_id for append in decision.appends}) != len(decision.appends):
            raise ValueError("one append names each stream once")
    if not all(append.events for append in appends) or not all(each.appends for each in decisions):
        raise ValueError("an append without events")
    _require_chained(appends)
    return owners.pop()


def _require_chained(appends: Sequence[StreamAppend]) -> None:
    versions: dict[str, int] = {}
    for append in appends:
        if versions.setdefault(append.stream_id, append.expected_version) != append.expected_version:
            raise ValueError("a decision does not stand on the one before it")
        versions[append.stream_id] += len(append.events)


def new_event_id() -> UUID:
    """A UUID version 7 (RFC 9562): milliseconds, then random bits, so that ids sort by time."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = _RANDOM.next_bits()
    random_a, random_b = random_bits >> 68, random_bits & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 7 << 76 | random_a << 64 | 2 << 62 | random_b)


class _Random:
    """The system's random bits, fetched in blocks: a system call for each event is as dear as all else of its id.

    Any thread may take some: the next of an iterator goes to one of them.
    """

    def __init__(self) -> None:
        self._bits: Iterator[int] = iter(())
        # A child that went on with its parent's block would give the same ids.
        os.register_at_fork(after_in_child=self._forget)

    def next_bits(self) -> int:
        """Eighty of them."""
        while (bits := next(self._bits, None)) is None:
            self._bits = _block()
        return bits

    def _forget(self) -> None:
        self._bits = iter(())


def _block() -> Iterator[int]:
    block = os.urandom(_BYTES * _IDS_PER_BLOCK)
    return iter([int.from_bytes(block[at : at + _BYTES], "big") for at in range(0, len(block), _BYTES)])


_RANDOM: Final = _Random()
