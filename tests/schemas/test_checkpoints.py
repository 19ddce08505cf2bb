"""The relay's checkpoints read back as they were written."""

import msgspec
import pytest

from schemas.checkpoints import RelayCheckpoint, decode_checkpoint, encode_checkpoint


def test_a_checkpoint_survives_the_journey() -> None:
    checkpoint = RelayCheckpoint(partition=3, seq=41)
    assert encode_checkpoint(checkpoint) == b'{"partition":3,"seq":41}'
    assert decode_checkpoint(encode_checkpoint(checkpoint)) == checkpoint


@pytest.mark.parametrize("data", [b"", b"hello", b'{"partition":3}'], ids=["empty", "text", "incomplete"])
def test_what_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_checkpoint(data)
