"""What the sandboxed children answer, as JSON."""

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from domain.media_errors import (
    EncryptedMedia,
    JoinedMedia,
    MediaTooLong,
    NoAudio,
    NotMedia,
    SoundUnsupported,
    TooShortMedia,
    TruncatedMedia,
    UnreadableMedia,
)
from domain.transcript import Damage

ODD: Final = (MemoryError, ArithmeticError, LookupError, ValueError)
"""What PyAV and numpy raise over numbers that no recording has, or when one asks for more memory than any needs."""


class MediaFacts(Struct, frozen=True, kw_only=True, tag="MediaFacts"):
    """What a recording is; `duration_seconds` was measured, whatever its header says."""

    duration_seconds: float
    container: str
    codec: str
    sample_rate: int
    channels: int


class Decoded(Struct, frozen=True, kw_only=True, tag="Decoded"):
    """The end was reached: how long the recording is, silence put into holes included.

    `lost_seconds` of it could not be decoded, in `damages`, which may join stretches that lie close together.
    """

    duration_seconds: float
    lost_seconds: float = 0.0
    damages: tuple[Damage, ...] = ()


class Refused(Struct, frozen=True, kw_only=True, tag="Refused"):
    """A rejection on its way through a pipe; `seconds` are its arguments, mostly seconds."""

    code: str
    seconds: tuple[float, ...] = ()


Answer: TypeAlias = MediaFacts | Decoded | Refused

_DECODER: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)


def encode_answer(answer: Answer) -> bytes:
    return msgspec.json.encode(answer)


def decode_answer(data: bytes) -> Answer:
    """Raises msgspec.DecodeError: a child that was taken over may say anything."""
    return _DECODER.decode(data)


def refusal_of(rejection: UnreadableMedia) -> Refused:
    match rejection:
        case TruncatedMedia():
            return Refused(
                code=rejection.code, seconds=(rejection.expected_seconds, rejection.readable_seconds)
            )
        case MediaTooLong():
            return Refused(code=rejection.code, seconds=(rejection.seconds_max,))
        case SoundUnsupported():
            return Refused(code=rejection.code, seconds=(rejection.sample_rate, rejection.channels))
        case _:
            return Refused(code=rejection.code)


def rejection_of(refusal: Refused) -> UnreadableMedia:
    match refusal:
        case Refused(code=TruncatedMedia.code, seconds=(expected, readable)):
            return TruncatedMedia(expected, readable)
        case Refused(code=MediaTooLong.code, seconds=(seconds_max,)):
            return MediaTooLong(seconds_max)
        case Refused(code=SoundUnsupported.code, seconds=(sample_rate, channels)):
            return SoundUnsupported(sample_rate, channels)
        case Refused(code=EncryptedMedia.code):
            return EncryptedMedia()
        case Refused(code=JoinedMedia.code):
            return JoinedMedia()
        case Refused(code=TooShortMedia.code):
            return TooShortMedia()
        case Refused(code=NoAudio.code):
            return NoAudio()
        case _:
            return NotMedia()
