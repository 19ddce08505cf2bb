"""How much memory a benchmark takes at most: its own process and everything that it started."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psutil
from msgspec import Struct

LOOK_SECONDS: Final = 5.0
"""To ask a process for its proportional share walks through its pages, so not more often."""
MIB: Final = 1024 * 1024


class Memory(Struct):
    """The most that was seen, each shared page counted once."""

    most_bytes: int = 0


@contextmanager
def watched_memory() -> Iterator[Memory]:
    """Looks at the memory from a thread until the block ends."""
    seen, ended = Memory(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(seen, ended), name="memory", daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _watch(seen: Memory, ended: threading.Event) -> None:
    while not ended.wait(LOOK_SECONDS):
        seen.most_bytes = max(seen.most_bytes, _of_tree(psutil.Process()))


def _of_tree(process: psutil.Process) -> int:
    total = 0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # It ended just now.
            total += each.memory_full_info().pss
    return total
