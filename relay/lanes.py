"""Lanes: partitions that are relayed together, in one transaction under one transactional id."""

from collections.abc import Sequence
from typing import Final

from schemas.topics import Topics

LANE_WIDTH: Final = 8
"""All relay processes of a deployment have to agree on it, since they fence each other by lane: so it is no setting."""

Lane = tuple[int, ...]


def lanes_of(partition_count: int) -> Sequence[Lane]:
    """Neighbours, since a relay of before 2026-12 that shares with us keeps the lowest of its partitions."""
    partitions = range(partition_count)
    return [tuple(partitions[first : first + LANE_WIDTH]) for first in partitions[::LANE_WIDTH]]


def transactional_id_of(lane: Lane, topics: Topics) -> str:
    """With its first and last partition: lanes of another width are other lanes."""
    return f"{topics.prefix}-relay-{lane[0]}-to-{lane[-1]}"


def earlier_transactional_id_of(partition: int, topics: Topics) -> str:
    """What a relay called itself before 2026-12, one for each partition."""
    return f"{topics.prefix}-relay-{partition}"
