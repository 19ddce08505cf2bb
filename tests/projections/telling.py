"""What the tables have to hold, by folding the log in memory without any of the runner's code."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

from msgspec.structs import astuple

from domain.events import Event
from domain.log import RecordedEvent
from projections.models import READ_MODELS
from projections.projection import Projection
from schemas.events import opened
from schemas.sealing import Keys
from tests.keys import EVERYBODYS


def told(log: Iterable[RecordedEvent], keys: Keys = EVERYBODYS) -> dict[str, list[tuple[object, ...]]]:
    events = [opened(record, keys) for record in log]
    return {name: _rows(projection, events) for name, projection in READ_MODELS.items()}


def _rows(projection: Projection[Any], events: Sequence[Event]) -> list[tuple[object, ...]]:
    news: dict[Any, list[Event]] = {}
    for event in events:
        if type(event) in projection.keys:
            news.setdefault(projection.keys[type(event)](event), []).append(event)
    rows = [reduce(projection.project, of_row, None) for _, of_row in sorted(news.items())]
    return [astuple(row) for row in rows if row is not None]
