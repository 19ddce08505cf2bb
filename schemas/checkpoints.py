"""How far others have come, as messages: what the relay has sent, and what of the log is sealed."""

from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct


class RelayCheckpoint(Struct, frozen=True, kw_only=True):
    """All events of `partition` up to `seq` are in Kafka. Later ones may be, too: the last event says where a relay goes on,
    and this only where that cannot be read or was removed. Written every few seconds, never before the event is committed with it.
    """

    partition: int
    seq: int


class EvidenceCheckpoint(Struct, frozen=True, kw_only=True):
    """The first `size` events of `partition` are those over which `root` stands (base64); `note` is the checkpoint itself, signed.

    Sizes only grow; one may come twice.
    """

    partition: int
    size: int
    root: str
    note: str
    sealed_at: datetime


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(RelayCheckpoint)


def encode_checkpoint(checkpoint: RelayCheckpoint) -> bytes:
    return _ENCODER.encode(checkpoint)


def decode_checkpoint(data: bytes) -> RelayCheckpoint:
    """Raises msgspec.DecodeError when the data is no checkpoint."""
    return _DECODER.decode(data)


def encode_evidence_checkpoint(checkpoint: EvidenceCheckpoint) -> bytes:
    return _ENCODER.encode(checkpoint)
