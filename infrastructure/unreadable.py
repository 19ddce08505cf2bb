"""Whatever keeps a stored event from being read, as the one error that callers know."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from domain.ports import EventUnreadable
from infrastructure.master_keys import KeysUnfit
from schemas.events import UnknownEventType
from schemas.sealing import Unsealable


@contextmanager
def unreadable_told() -> Iterator[None]:
    """Raises EventUnreadable, without a value that did not fit: it may be somebody's."""
    try:
        yield
    except (Unsealable, KeysUnfit, UnknownEventType) as problem:
        raise EventUnreadable(str(problem)) from problem
    except msgspec.DecodeError as problem:
        raise EventUnreadable("an event's data does not fit its type") from problem
