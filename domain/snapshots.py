"""Snapshots: the state of a long stream after one of its events, kept beside the log so that it need not be folded again."""

from msgspec import Struct

from domain.log import StreamHead


class Snapshot(Struct, frozen=True, kw_only=True):
    """What was made of a stream up to its `head`.

    `rules` names those that made it, and `digest` is over all the rest. The log is the truth: a snapshot that does not fit it, or
    these rules, or its own digest is as good as none.
    """

    stream_id: str
    head: StreamHead
    rules: str
    state: bytes
    digest: bytes
