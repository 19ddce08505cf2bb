"""How many may listen in one process, and at what pace they are told."""

from typing import Final

from msgspec import Struct

from api.rejections import ComeBackLater

RETRY_AFTER_SECONDS: Final = 10


class LiveLimits(Struct, frozen=True, kw_only=True):
    """Of one process."""

    listeners: int = 2_000
    listeners_per_user: int = 32
    pace_seconds: float = 0.05
    """Between two looks: what changes meanwhile is told together."""
    pause_seconds: float = 0.5
    """After a look that failed, and before the text of a window is asked for again."""
    events_max: int = 500
    """Of a partition since the last look: to read more costs more than to look at all that is followed there."""
    heartbeat_seconds: float = 15.0
    """How long nothing may be sent, as proxies cut what is silent for a minute; and how long a token may have expired, or its
    user be gone, before the stream ends."""
    leave_seconds: float = 5.0


class TooManyListeners(ComeBackLater):
    code = "too_many_listeners"

    def __init__(self, listeners_max: int) -> None:
        super().__init__(
            f"You listen {listeners_max} times already, as often as is allowed at once: end one of the streams",
            RETRY_AFTER_SECONDS,
        )
