"""What holds in every long-running process."""

import gc

from infrastructure.process import OBJECTS_BETWEEN_COLLECTIONS, run_process
from infrastructure.settings import Settings


def test_cycles_are_looked_for_rarely() -> None:
    seen: list[int] = []

    async def work(_settings: Settings) -> None:
        seen.append(gc.get_threshold()[0])

    before = gc.get_threshold()
    try:
        assert run_process(work, []) == 0
    finally:
        gc.set_threshold(*before)
    assert seen == [OBJECTS_BETWEEN_COLLECTIONS]
