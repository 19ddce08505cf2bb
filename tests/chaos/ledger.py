"""What the clients asked for, and what they were answered."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

Outcome = Literal["done", "nothing to do", "refused", "unknown"]

EVENTS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "register": ("QuotaGranted", "UserRegistered"),
    "upload": ("FileUploaded",),
    "request": ("QuotaReserved", "TranscriptionRequested"),
    "cancel": ("QuotaReleased", "TranscriptionCancelled"),
    "edit": ("TranscriptEdited",),
    "erase": ("UserErasureRequested",),
}
"""By command, what has to be in the log when it was done: all of it, once."""


class Command(Struct, frozen=True, kw_only=True):
    """One HTTP request that changes something. `status` is None when no answer came."""

    kind: str
    request_id: UUID
    status: int | None
    token: str | None = None
    subject: str | None = None
    """The id in the answer: of the file or of the transcription."""

    @property
    def outcome(self) -> Outcome:
        """A 5xx leaves open whether it was done, as the API says in its answer."""
        if self.status is None or self.status >= 500:
            return "unknown"
        if self.status >= 400:
            return "refused"
        return "done" if self.token else "nothing to do"


class Burst(Struct, frozen=True, kw_only=True):
    """Requests for transcription that one user sent at the same moment; the next burst began when all had ended."""

    owner_id: UUID
    calm: bool
    """Whether nothing was broken meanwhile, and nothing else of this user under way."""
    known_seq: int
    """Where in its partition the user knew the log to be before."""
    file_count: int
    """How many files all of them are about; a file has one transcription at most."""
    command_count: int
    commands: list[Command]
    """More than `command_count` where some were put off and came back."""


class Ledger:
    """`reads` counts queries that had to show a write, by how they ended; `stale` are those that did not show it."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.reads: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.stale: list[str] = []
        self.shown: list[str] = []
        """What was answered to who had been told that they are being erased, and is no 410."""
        self.broken: list[str] = []
        """Answers that no client can do anything with: every 5xx but 503."""
        self.bursts: list[Burst] = []
        self.idle_sockets: int = 0
        """The most that were held open at the same time."""

    def by_kind(self) -> dict[str, dict[str, int]]:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for command in self.commands:
            counts[command.kind][command.outcome] += 1
        return {kind: dict(sorted(counts[kind].items())) for kind in sorted(counts)}
