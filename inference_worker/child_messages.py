"""What a worker and its engine process say to each other, one JSON line each."""

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from domain.instructions import Instructions
from domain.languages import Abilities
from domain.transcript import Damage, Segment
from inference_worker.windows import WindowStart


class Task(Struct, frozen=True, kw_only=True):
    """One recording to transcribe from `begin` on; `media` is the path of a private file.

    `before` are the seconds that were spoken in each language until then, where none was asked for.
    """

    media: str
    duration_seconds: float
    instructions: Instructions
    window_seconds: float
    begin: WindowStart = WindowStart()
    before: dict[str, float] = {}


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
    """How far it has come, from the start of the recording."""

    position_ms: int


class WindowDone(Struct, frozen=True, kw_only=True, tag="WindowDone"):
    """A finished window; also what is kept of it until the whole transcription is finished."""

    index: int
    start_ms: int
    end_ms: int
    language: str
    language_probability: float | None = None
    segments: tuple[Segment, ...]


class Finished(Struct, frozen=True, kw_only=True, tag="Finished"):
    """Every window is done; `decoded_seconds` is how much sound there was, and `damages` what is missing in it."""

    decoded_seconds: float
    damages: tuple[Damage, ...] = ()


class Faulted(Struct, frozen=True, kw_only=True, tag="Faulted"):
    """The task cannot be done; the engine is fine."""

    reason: str
    permanent: bool


ChildMessage: TypeAlias = Ready | Misconfigured | Unreachable | Heard | WindowDone | Finished | Faulted

_TASKS: Final = msgspec.json.Decoder(Task)
_MESSAGES: Final[msgspec.json.Decoder[ChildMessage]] = msgspec.json.Decoder(ChildMessage)
_WINDOWS: Final = msgspec.json.Decoder(WindowDone)


def encode_line(message: Task | ChildMessage) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def decode_task(line: bytes) -> Task:
    return _TASKS.decode(line)


def decode_message(line: bytes) -> ChildMessage:
    return _MESSAGES.decode(line)


def decode_window(content: bytes) -> WindowDone:
    """Raises msgspec.DecodeError when the content is no window."""
    return _WINDOWS.decode(content)
