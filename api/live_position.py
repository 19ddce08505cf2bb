"""How much of a live stream a listener has seen, as the id of an event that `Last-Event-ID` brings back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from domain.errors import InvalidField

LAST_EVENT_ID: Final = "Last-Event-ID"
CURSORS_MAX: Final = 32
"""In one id: the windows of any other transcription are told once more."""
CHARACTERS_MAX: Final = 8_192

Count: TypeAlias = Annotated[int, Meta(ge=0)]


class Cursor(Struct, frozen=True, array_like=True):
    """Up to where the windows of a transcription were told; `cut` tells ways of cutting it into windows apart."""

    cut: str
    next_index: Count


class Position(Struct, frozen=True, array_like=True):
    """All changes up to `seq` of the user's partition were told, and of running transcriptions the windows before the cursors.

    `end` is that of the final state after which a stream has ended.
    """

    seq: Count = 0
    cursors: Mapping[UUID, Cursor] = {}
    end: Count = 0


BEGINNING: Final = Position()

_DECODER: Final = msgspec.msgpack.Decoder(Position)


def encode_position(position: Position) -> str:
    if len(position.cursors) > CURSORS_MAX:
        kept = dict(islice(position.cursors.items(), CURSORS_MAX))
        position = Position(position.seq, kept, position.end)
    return urlsafe_b64encode(msgspec.msgpack.encode(position)).decode()


def decode_position(text: str | None) -> Position:
    """The beginning where none was sent. Raises InvalidField."""
    if not text:
        return BEGINNING
    try:
        if len(text) <= CHARACTERS_MAX:
            return _DECODER.decode(urlsafe_b64decode(text.encode("ascii")))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        pass
    raise InvalidField(
        LAST_EVENT_ID, "is none that this stream gave: send the last one as it came, or none"
    )
