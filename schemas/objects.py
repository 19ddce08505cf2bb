"""Where objects lie in the object store, and what a transcript object holds."""

from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.transcript import Segment, Transcript

_SEGMENTS: Final = b'"segments":['
"""Inside of a text its quotation marks would be escaped, so that it is found nowhere else."""
_DECODER: Final = msgspec.json.Decoder(Transcript)


def media_key(user_id: UUID, file_id: UUID, media_sha256: str) -> str:
    """One object per upload, even of the same recording: what becomes of one upload must not touch another's."""
    return f"media/{user_id}/{file_id}/{media_sha256}"


def window_key(user_id: UUID, transcription_id: UUID, fingerprint: str, index: int) -> str:
    """A finished window, kept until its transcription is; `fingerprint` names media, engine and options."""
    return f"windows/{user_id}/{transcription_id}/{fingerprint}/{index}.json"


def encode_transcript(transcript: Transcript) -> tuple[bytes, str]:
    """The transcript as JSON, and the SHA-256 of that in hex."""
    content = msgspec.json.encode(transcript)
    return content, sha256(content).hexdigest()


def encode_segment(segment: Segment) -> bytes:
    return msgspec.json.encode(segment)


def around_segments(frame: Transcript, *, text: str) -> tuple[bytes, bytes]:
    """What stands before and after the segments in the object of a transcript with this text."""
    whole = msgspec.json.encode(replace(frame, text=text, segments=()))
    before, opening, after = whole.partition(_SEGMENTS)
    return before + opening, after


def decode_transcript(content: bytes) -> Transcript:
    """Raises msgspec.DecodeError when the content is no transcript."""
    return _DECODER.decode(content)
