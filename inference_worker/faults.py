"""Why an attempt did not succeed, as a stable code."""

from pathlib import Path
from typing import Final

MEDIA_MISSING: Final = "media_missing"
MEDIA_CORRUPT: Final = "media_corrupt"
INSTRUCTIONS_MISSING: Final = "instructions_missing"
DECODING_FAILED: Final = "decoding_failed"
ENGINE_DIED: Final = "engine_died"
ENGINE_STALLED: Final = "engine_stalled"
ENGINE_FAILED: Final = "engine_failed"
"""The server that an engine asks has an error of its own."""
ENGINE_REFUSED: Final = "engine_refused"
"""That server does not take what it is asked for."""
WORKER_FAILED: Final = "worker_failed"


class ScratchFull(Exception):
    """The worker's own disk has no room for the work; another worker's may have."""

    def __init__(self, scratch: Path) -> None:
        super().__init__(
            f"the disk is full at {scratch}: make room there, or let TMPDIR name a larger disk and start the worker anew"
        )


class Fault(Exception):
    """`permanent` when another attempt, anywhere, could not do better; `problem` is for the log."""

    def __init__(self, reason: str, *, permanent: bool = False, problem: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.problem = problem or reason


class EngineAway(Exception):
    """The server that an engine asks cannot be reached, or takes nothing; it is worth another try later.

    `unanswered` when it was reached, as far as one can know, and no answer came in time.
    """

    def __init__(self, why: str, *, unanswered: bool = False) -> None:
        super().__init__(why)
        self.unanswered = unanswered


class Misfit(Exception):
    """An engine cannot be started as the settings have it, now or later; the message names the setting."""


class ModelMissing(Misfit):
    """The folder that STENOLOG_MODEL names holds no CTranslate2 Whisper model."""


class EngineMissing(Misfit):
    """The package of the engine that STENOLOG_ENGINE asks for is not installed."""


class DeviceUnusable(Misfit):
    """The GPU that STENOLOG_DEVICE asks for, or the number format of STENOLOG_COMPUTE_TYPE, cannot be had here."""
