"""What every event store does before it stores: checks the appends and gives each event its identity."""

import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from domain.log import Decision, StreamAppend
from schemas.random_bits import RandomBits

_RANDOM: Final = RandomBits(10)


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
    random_bits = _RANDOM.next()
    random_a, random_b = random_bits >> 68, random_bits & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 7 << 76 | random_a << 64 | 2 << 62 | random_b)
