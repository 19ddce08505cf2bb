"""Where objects lie in the object store, and what a transcript object holds."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.instructions import Instructions
from domain.transcript import MediaWarning, Segment, Transcript

_SEGMENTS: Final = b'"segments":['
"""Inside of a text its quotation marks would be escaped, so that it is found nowhere else."""
_DECODER: Final = msgspec.json.Decoder(Transcript)
_INSTRUCTIONS: Final = msgspec.json.Decoder(Instructions)
_PERSONAL: Final = ("media", "windows", "transcripts", "instructions")
"""What the keys begin with of objects that are somebody's."""
FILE: Final = "file"
TRANSCRIPTION: Final = "transcription"
_FOLDERS_OF_ONE: Final = {FILE: ("media",), TRANSCRIPTION: ("windows", "transcripts", "instructions")}
SEGMENTS_AT_ONCE: Final = 100
"""Of a transcript that is read in parts: less than a millisecond."""


class TranscriptOutline(Struct, frozen=True, kw_only=True):
    """A transcript whose segments are still JSON, where it was found: many times smaller than its words."""

    text: str
    language: str
    duration_ms: int
    segments: list[msgspec.Raw]
    warnings: tuple[MediaWarning, ...] = ()

    @property
    def frame(self) -> Transcript:
        """All but the segments."""
        return Transcript(
            text=self.text,
            language=self.language,
            duration_ms=self.duration_ms,
            segments=(),
            warnings=self.warnings,
        )


_OUTLINES: Final = msgspec.json.Decoder(TranscriptOutline)
_SEGMENT_LISTS: Final = msgspec.json.Decoder(list[Segment])


class _FinishedWindow(Struct):
    segments: tuple[Segment, ...]


_WINDOWS: Final = msgspec.json.Decoder(_FinishedWindow)


def media_key(user_id: UUID, file_id: UUID, media_sha256: str, upload_id: UUID | None = None) -> str:
    """One object per upload, even of the same recording: what becomes of one upload must not touch another's.

    With `upload_id` where several uploads may be of one file, of which one will be it.
    """
    upload = f"{upload_id}/" if upload_id else ""
    return f"media/{user_id}/{file_id}/{upload}{media_sha256}"


def window_key(user_id: UUID, transcription_id: UUID, fingerprint: str, index: int) -> str:
    """A finished window, kept until its transcription is; `fingerprint` names media, engine and options."""
    return f"windows/{user_id}/{transcription_id}/{fingerprint}/{index}.json"


def segments_of_window(content: bytes) -> tuple[Segment, ...]:
    """What was heard in a finished window. Raises msgspec.DecodeError when the content is none."""
    return _WINDOWS.decode(content).segments


def instructions_key(user_id: UUID, transcription_id: UUID, request_id: UUID) -> str:
    """What one request tells the engine. Random and no hash: that of a few words could be guessed, and is in the log."""
    return f"instructions/{user_id}/{transcription_id}/{request_id}.json"


def encode_instructions(instructions: Instructions) -> bytes:
    return msgspec.json.encode(instructions)


def decode_instructions(content: bytes) -> Instructions:
    """Raises msgspec.DecodeError when the content is none."""
    return _INSTRUCTIONS.decode(content)


def folders_of(user_id: UUID) -> Sequence[str]:
    """Where everything lies that is a user's; all keys above begin so."""
    return [f"{kind}/{user_id}" for kind in _PERSONAL]


def folders_of_one(kind: str, user_id: UUID, identity: UUID) -> Sequence[str]:
    """Where everything lies that is of one file, or of one transcription."""
    return [f"{folder}/{user_id}/{identity}" for folder in _FOLDERS_OF_ONE[kind]]


def evidence_key(partition: int, path: str) -> str:
    """A tile of a partition's tree, or its checkpoint."""
    return f"evidence/{partition}/{path}"


def encode_transcript(transcript: Transcript) -> tuple[bytes, str]:
    """The transcript as JSON, and the SHA-256 of that in hex."""
    content = msgspec.json.encode(transcript)
    return content, sha256(content).hexdigest()


def encode_segment(segment: Segment) -> bytes:
    return msgspec.json.encode(segment)


def around_segments(whole: Struct) -> tuple[bytes, bytes]:
    """What stands before and after the segments, where `whole` is or holds a transcript without any."""
    before, opening, after = msgspec.json.encode(whole).partition(_SEGMENTS)
    return before + opening, after


def decode_outline(content: bytes) -> TranscriptOutline:
    """Raises msgspec.DecodeError when the content is no transcript."""
    return _OUTLINES.decode(content)


def segments_of(outline: TranscriptOutline) -> Iterator[Segment]:
    """Decoded a few at a time."""
    for first in range(0, len(outline.segments), SEGMENTS_AT_ONCE):
        raw = b"[" + b",".join(outline.segments[first : first + SEGMENTS_AT_ONCE]) + b"]"
        yield from _SEGMENT_LISTS.decode(raw)


def segments_in_parts(outline: TranscriptOutline) -> Iterator[bytes]:
    """The segments as JSON of today, without the brackets around them, a few at a time."""
    for first in range(0, len(outline.segments), SEGMENTS_AT_ONCE):
        raw = b"[" + b",".join(outline.segments[first : first + SEGMENTS_AT_ONCE]) + b"]"
        part = msgspec.json.encode(_SEGMENT_LISTS.decode(raw))[1:-1]
        yield b"," + part if first else part


def decode_transcript(content: bytes) -> Transcript:
    """Raises msgspec.DecodeError when the content is no transcript."""
    return _DECODER.decode(content)
