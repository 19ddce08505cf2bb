"""What verification finds: one line each, that says where, what, and what to do."""

from typing import Literal

from msgspec import Struct

Kind = Literal["changed", "removed", "inserted", "reordered", "tile", "checkpoint", "rewritten"]
"""The first four are of events that are not what was sealed."""


class Finding(Struct, frozen=True, kw_only=True):
    partition: int
    kind: Kind
    what: str
    seq: int | None = None
    """Of the first event that it is about."""

    @property
    def is_of_an_event(self) -> bool:
        return self.kind in ("changed", "removed", "inserted", "reordered")

    def __str__(self) -> str:
        where = f"partition {self.partition}" if self.seq is None else f"event {self.partition}:{self.seq}"
        return f"{where}: {self.kind}: {self.what}"


RESTORE_EVENT = (
    "compare it with a backup; what was sealed still proves what it was (`stenolog events prove`)"
)
RESTORE_TILE = "give the object back from a backup, or make all anew with `stenolog seal --republish`"
