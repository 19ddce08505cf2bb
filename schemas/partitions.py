"""Which partition an owner's events and a worker's messages lie in."""

from uuid import UUID


def partition_of(identity: UUID, partition_count: int) -> int:
    """The same for the log and for every topic; stable for ever, since stored events depend on it.

    UUIDs are random in their low bits (RFC 9562, versions 4, 5 and 7), so no further hash is needed.
    """
    return (identity.int & 0xFFFF_FFFF) % partition_count
