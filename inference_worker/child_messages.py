"""What a worker and its engine process say to each other, one JSON line each."""

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from domain.alignment import Found, Stretch
from domain.instructions import Instructions
from domain.languages import Abilities
from domain.transcript import Damage, Segment
from inference_worker.windows import WindowStart


class Task(Struct, frozen=True, kw_only=True, tag="Task"):
    """One recording to transcribe from `begin` on; `media` is the path of a private file.

    `before` are the seconds that were spoken in each language until then, where none was asked for. Without
    `window_seconds` windows are as long as the engine wants them.
    """

    media: str
    duration_seconds: float
    instructions: Instructions
    window_seconds: float | None = None
    begin: WindowStart = WindowStart()
    before: dict[str, float] = {}


class AlignmentTask(Struct, frozen=True, kw_only=True, tag="AlignmentTask"):
    """Words to find in one recording; `stretches` are in the order of their sound."""

    media: str
    duration_seconds: float
    stretches: tuple[Stretch, ...]


class Begin(Struct, frozen=True, kw_only=True, tag="Begin"):
    """Decode for this task beside those under way, until it may proceed; `number` names it from now on."""

    number: int
    task: Task | AlignmentTask


class Proceed(Struct, frozen=True, kw_only=True, tag="Proceed"):
    """It is the task's turn: what is decoded may be transcribed."""

    number: int


class Taken(Struct, frozen=True, kw_only=True, tag="Taken"):
    """A window of the task is safe: it may finish another one."""

    number: int


class Abandon(Struct, frozen=True, kw_only=True, tag="Abandon"):
    """Nobody wants the task any more."""

    number: int


Order: TypeAlias = Begin | Proceed | Taken | Abandon


class Ready(Struct, frozen=True, kw_only=True, tag="Ready"):
    """The model is loaded and has run once."""

    engine: str
    abilities: Abilities = Abilities()


class Misconfigured(Struct, frozen=True, kw_only=True, tag="Misconfigured"):
    """The engine cannot be started, now or later, or does not go on; `problem` names the setting."""

    problem: str


class Unreachable(Struct, frozen=True, kw_only=True, tag="Unreachable"):
    """The engine cannot be started now: the server that it asks is away."""

    problem: str


class Heard(Struct, frozen=True, kw_only=True, tag="Heard"):
    """How far it has come, from the start of the recording, in a window that ends at `end_ms`; None before there is one."""

    position_ms: int
    end_ms: int | None = None


class WindowDone(Struct, frozen=True, kw_only=True, tag="WindowDone"):
    """A finished window; also what is kept of it until the whole transcription is finished."""

    index: int
    start_ms: int
    end_ms: int
    language: str
    language_probability: float | None = None
    segments: tuple[Segment, ...]


class Finished(Struct, frozen=True, kw_only=True, tag="Finished"):
    """Every window is done; `decoded_seconds` is how long the recording is, and `damages` what is missing in it.

    There are so many of them at most that some may be joined, and the sound between them is in `lost_seconds` not counted.
    """

    decoded_seconds: float
    lost_seconds: float = 0.0
    damages: tuple[Damage, ...] = ()


class Aligned(Struct, frozen=True, kw_only=True, tag="Aligned"):
    """For each stretch where its words are, in order; nothing where that is not to be had."""

    found: tuple[tuple[Found, ...], ...]


class Faulted(Struct, frozen=True, kw_only=True, tag="Faulted"):
    """The task cannot be done; the engine is fine."""

    reason: str
    permanent: bool


class Abandoned(Struct, frozen=True, kw_only=True, tag="Abandoned"):
    """The task has ended because nobody wanted it."""


ChildMessage: TypeAlias = (
    Ready | Misconfigured | Unreachable | Heard | WindowDone | Finished | Aligned | Faulted | Abandoned
)


class Said(Struct, frozen=True, kw_only=True):
    """A message about the task of that number, or about the engine itself, which is 0."""

    number: int = 0
    message: ChildMessage


_ORDERS: Final[msgspec.json.Decoder[Order]] = msgspec.json.Decoder(Order)
_SAID: Final = msgspec.json.Decoder(Said)
_WINDOWS: Final = msgspec.json.Decoder(WindowDone)


def encode_line(message: Order | Said) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def decode_order(line: bytes) -> Order:
    return _ORDERS.decode(line)


def decode_said(line: bytes) -> Said:
    """Raises msgspec.DecodeError when the line is no message."""
    return _SAID.decode(line)


def decode_window(content: bytes) -> WindowDone:
    """Raises msgspec.DecodeError when the content is no window."""
    return _WINDOWS.decode(content)
