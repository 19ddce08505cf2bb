"""What one API process has of its machine, where several serve behind one port."""

import os
import sys
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from api.crowd import Limits

ALL_STARTED: Final = "all-started"
"""A file in the common folder from the moment on when every process has listened once."""


class Share(Struct, frozen=True, kw_only=True):
    """Process `number` of `count`; `folder` is common to them all."""

    number: int = 0
    count: int = 1
    folder: Path | None = None

    def part_of(self, limit: int, least: int = 1) -> int:
        """Of a limit that connections spread evenly; together they have no more than it, unless each needs `least`."""
        return max(least, limit // self.count)

    def all_have_started(self) -> bool:
        return self.folder is None or (self.folder / ALL_STARTED).exists()

    def limits(self) -> Limits:
        whole = Limits()
        return replace(
            whole,
            connections=self.part_of(whole.connections),
            connections_per_source=self.part_of(whole.connections_per_source),
            requests=self.part_of(whole.requests),
        )


ALONE: Final = Share()


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
