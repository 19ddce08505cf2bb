"""How often a transcription is attempted, and which attempts count."""

from typing import Final

ATTEMPTS_MAX: Final = 3
"""Failed attempts per request; the attempt number itself keeps counting over repeated requests."""

WORKER_STOPPED: Final = "worker_stopped"
"""The reason of an attempt that a worker handed back because it was told to end."""


def failures_after(failures: int, reason: str) -> int:
    """Nothing failed where a worker was told to end: workers may be replaced any number of times during one job."""
    return failures if reason == WORKER_STOPPED else failures + 1
