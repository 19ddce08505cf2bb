"""Rows of a read model that stay in memory from one batch to the next."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Generic
from uuid import UUID

from projections.projection import Row


class KeptRows(Generic[Row]):
    """By key, at most so many: those that no batch has touched for longest make room."""

    def __init__(self, rows_max: int) -> None:
        self._rows: dict[UUID, Row] = {}
        self._rows_max = rows_max

    def take(self, keys: Iterable[UUID]) -> dict[UUID, Row]:
        """Those of them that are kept, which are not any more; who has folded them gives them back."""
        taken = ((key, self._rows.pop(key, None)) for key in keys)
        return {key: row for key, row in taken if row is not None}

    def keep(self, rows: Mapping[UUID, Row]) -> None:
        """Rows that were taken, or never kept: they are the last to make room."""
        self._rows |= rows
        for key in list(islice(self._rows, max(0, len(self._rows) - self._rows_max))):
            del self._rows[key]

    def forget(self) -> None:
        self._rows.clear()
