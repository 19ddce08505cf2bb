"""Revisions: every transcript there was of a recording, each kept, and the tag by which a client says which one it means."""

from typing import Final, Literal, TypeAlias, assert_never

from msgspec import Struct

from domain.moment import Moment
from domain.transcription_events import (
    AlignmentEnded,
    AlignmentStarted,
    TranscriptAligned,
    TranscriptEdited,
    TranscriptionAttemptFailed,
    TranscriptionCancelled,
    TranscriptionCompleted,
    TranscriptionDeleted,
    TranscriptionEvent,
    TranscriptionFailed,
    TranscriptionRequested,
    TranscriptionStarted,
)

Making: TypeAlias = Literal["heard", "edited", "restored", "aligned"]
TAG_HEX_DIGITS: Final = 16
"""Of the transcript's SHA-256: with the number alone, another revision of that number, after a failover that lost commits, would pass for it."""


def tag_of(number: int, transcript_sha256: str) -> str:
    return f"{number}-{transcript_sha256[:TAG_HEX_DIGITS]}"


class Revision(Struct, frozen=True, kw_only=True):
    """`restored_revision` is the one whose words it brought back, `estimated_count` as in the event."""

    number: int
    making: Making
    transcript_key: str
    transcript_sha256: str
    word_count: int
    made_at: Moment
    restored_revision: int | None = None
    estimated_count: int = 0

    @property
    def tag(self) -> str:
        return tag_of(self.number, self.transcript_sha256)


def revision_of(event: TranscriptionEvent) -> Revision | None:
    """The one that an event made, None where it made none."""
    match event:
        case TranscriptionCompleted():
            return Revision(
                number=1,
                making="heard",
                transcript_key=event.result.transcript_key,
                transcript_sha256=event.result.transcript_sha256,
                word_count=event.result.word_count,
                made_at=event.completed_at,
            )
        case TranscriptEdited():
            return Revision(
                number=event.revision,
                making="edited" if event.restored_revision is None else "restored",
                transcript_key=event.transcript_key,
                transcript_sha256=event.transcript_sha256,
                word_count=event.word_count,
                made_at=event.edited_at,
                restored_revision=event.restored_revision,
                estimated_count=event.estimated_count,
            )
        case TranscriptAligned():
            return Revision(
                number=event.revision,
                making="aligned",
                transcript_key=event.transcript_key,
                transcript_sha256=event.transcript_sha256,
                word_count=event.word_count,
                made_at=event.aligned_at,
            )
        case (
            TranscriptionRequested()
            | TranscriptionStarted()
            | TranscriptionAttemptFailed()
            | TranscriptionFailed()
            | TranscriptionCancelled()
            | AlignmentStarted()
            | AlignmentEnded()
            | TranscriptionDeleted()
        ):
            return None
        case _:
            assert_never(event)
