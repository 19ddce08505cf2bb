"""What became of an event that is not the one that was sealed: told by the entry that was."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from evidence.entries import COLUMNS, EntryTooLarge, Fields, entry_of, fields_of
from evidence.findings import RESTORE_EVENT, Finding, Kind
from evidence.merkle import leaf_hash
from evidence.tiles import MalformedTile
from evidence.tree import PublishedTree

_SEQ: Final = COLUMNS.index("seq")
_ID: Final = COLUMNS.index("event_id")
_TOO_LARGE: Final = "metadata"


class Rows(Protocol):
    """Stored events, of each the columns of an entry."""

    async def following(self, partition: int, after_seq: int, limit: int) -> Sequence[Any]: ...

    async def place_of(self, partition: int, event_id: str) -> int | None:
        """Its seq, wherever in the partition it is now."""
        ...


async def difference(partition: int, seq: int, rows: Rows, tree: PublishedTree) -> Finding:
    """At the first event that is another: which of the four ways to tamper with a log it was."""
    kind, what = await _difference(partition, seq, rows, tree)
    return Finding(partition=partition, seq=seq, kind=kind, what=f"{what}; {RESTORE_EVENT}")


async def _difference(partition: int, seq: int, rows: Rows, tree: PublishedTree) -> tuple[Kind, str]:
    if (
        seq > 1
        and len(before := await rows.following(partition, seq - 2, 2)) > 1
        and before[1][_SEQ] == seq - 1
    ):
        return "inserted", f"the log has two events {seq - 1}"
    here = await rows.following(partition, seq - 1, 2)
    sealed, sealed_next = await _sealed(tree, seq), await _sealed(tree, seq + 1)
    if not here or here[0][_SEQ] != seq:
        return "removed", f"the log has no event {seq} any more{_named(sealed)}"
    if sealed is None:
        return "changed", "it is not the event that was sealed, and its entry in the tiles is damaged, too"
    stored_id = str(here[0][_ID])
    if stored_id == sealed["event_id"]:
        return "changed", f"{_columns(here[0], sealed)} is not what was sealed"
    now_at = await rows.place_of(partition, sealed["event_id"])
    if sealed_next is not None and stored_id == sealed_next["event_id"] and now_at is None:
        return "removed", f"what was event {seq + 1} stands in its place{_named(sealed)}"
    if now_at == seq + 1 and not _is_one_of(stored_id, sealed_next):
        return "inserted", f"{stored_id} was put before what was event {seq}"
    if now_at is not None:
        return "reordered", f"what was event {seq} is event {now_at} now"
    return "changed", f"another event, {stored_id}, stands in its place{_named(sealed)}"


async def _sealed(tree: PublishedTree, seq: int) -> Fields | None:
    """What was sealed under this number, as far as tiles and bundle agree about it."""
    if seq > tree.size:
        return None
    try:
        entry = await tree.entry(seq - 1)
        return fields_of(entry) if leaf_hash(entry) == await tree.leaf(seq - 1) else None
    except (MalformedTile, msgspec.DecodeError):
        return None


def _columns(row: Any, sealed: Fields) -> str:
    try:
        stored = fields_of(entry_of(row))
    except EntryTooLarge:
        return _TOO_LARGE
    names = {name for name in stored.keys() | sealed.keys() if stored.get(name) != sealed.get(name)}
    return ", ".join(
        sorted(name.replace("data_base64", "data").replace("data_sha256", "data") for name in names)
    )


def _is_one_of(event_id: str, sealed: Fields | None) -> bool:
    return sealed is not None and sealed["event_id"] == event_id


def _named(sealed: Fields | None) -> str:
    return (
        f" ({sealed['type']} of {sealed['stream_id']}, recorded at {sealed['recorded_at']}, was sealed)"
        if sealed
        else ""
    )
