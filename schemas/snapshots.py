"""States as snapshots hold them: which are kept, under which rules they were made, and whether they are still what was written."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

import domain
from domain.decider import Command, Decider, Event, State
from domain.log import StreamHead
from domain.quota import QUOTA
from domain.snapshots import Snapshot
from schemas import events

CATEGORIES: Final = frozenset({QUOTA.category})
"""Of streams that grow without end. Their states hold nothing personal, so that nobody's erasure has to look here."""


class DamagedSnapshot(Exception):
    """It is not what was written."""


class OtherRules(Exception):
    """Another version of Stenolog made it."""


def category_of(stream_id: str) -> str:
    return stream_id.partition("-")[0]


@cache
def rules() -> str:
    """Of this version: of all that has a say in what a fold makes of stored bytes. Any change of them, and snapshots are made anew."""
    folder = Path(str(domain.__file__)).parent
    sources = [*sorted(folder.rglob("*.py")), Path(str(events.__file__))]
    return sha256(b"".join(sha256(source.read_bytes()).digest() for source in sources)).hexdigest()


def snapshot_of(
    decider: Decider[Command, State, Event], stream_id: str, head: StreamHead, state: State
) -> Snapshot:
    """Raises DamagedSnapshot when the state would not come back as it is."""
    # Its members in one order, so that the same state is always the same bytes.
    content = msgspec.json.encode(msgspec.to_builtins(state, str_keys=True, order="deterministic"))
    if _decoded(decider, content) != state:
        raise DamagedSnapshot(f"the state of {stream_id} cannot be kept")
    digest = _digest(stream_id, head, rules(), content)
    return Snapshot(stream_id=stream_id, head=head, rules=rules(), state=content, digest=digest)


def state_of(decider: Decider[Command, State, Event], snapshot: Snapshot) -> State:
    """Raises OtherRules or DamagedSnapshot."""
    if snapshot.rules != rules():
        raise OtherRules(f"the snapshot of {snapshot.stream_id} was made by another version")
    digest = _digest(snapshot.stream_id, snapshot.head, snapshot.rules, snapshot.state)
    if digest != snapshot.digest or snapshot.head.event_id is None:
        raise DamagedSnapshot(f"the snapshot of {snapshot.stream_id} is not what was written")
    try:
        return _decoded(decider, snapshot.state)
    except msgspec.DecodeError as problem:
        raise DamagedSnapshot(f"the snapshot of {snapshot.stream_id} is no state: {problem}") from problem


def _decoded(decider: Decider[Command, State, Event], content: bytes) -> State:
    kind: Any = type(decider.initial)
    state: State = msgspec.json.decode(content, type=kind)
    return state


def _digest(stream_id: str, head: StreamHead, of_rules: str, content: bytes) -> bytes:
    heading = msgspec.json.encode([stream_id, head.version, head.event_id, of_rules])
    return sha256(heading + b"\n" + content).digest()
