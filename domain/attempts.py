"""How often a transcription is attempted, and which attempts count."""

from typing import Final

ATTEMPTS_MAX: Final = 3
"""Failed attempts per request; the attempt number itself keeps counting over repeated requests."""

WORKER_STOPPED: Final = "worker_stopped"
"""The reason of an attempt that a worker handed back because it was told to end."""

OBJECT_STORE_AWAY: Final = "object_store_away"
"""The reason of an attempt that a worker handed back because the object store stayed away for too long."""

WORKER_DISK_FULL: Final = "worker_disk_full"
"""The reason of an attempt that a worker handed back because its own disk is full; another may have room."""

ENGINE_AWAY: Final = "engine_away"
"""The reason of an attempt that a worker handed back because the server that its engine asks stayed away for too long."""

MOVED: Final = "moved"
"""The reason of an attempt that waited at a busy worker until the dispatcher found a free one for it."""

TRANSCRIPT_MISPLACED: Final = "transcript_misplaced"
"""The reason of an attempt whose worker reported a transcript in a place of somebody else's."""

HANDED_BACK: Final = frozenset({WORKER_STOPPED, OBJECT_STORE_AWAY, WORKER_DISK_FULL, ENGINE_AWAY, MOVED})
"""Nothing failed there: workers are replaced, stores and engines' servers are away and disks are full any number of times during one job."""


def failures_after(failures: int, reason: str) -> int:
    return failures if reason in HANDED_BACK else failures + 1
