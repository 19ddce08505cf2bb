"""What was said: the transcripts there are, whose text the indexer looks up and cuts into passages to search."""

from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event
from domain.transcription_events import (
    TranscriptAligned,
    TranscriptEdited,
    TranscriptionCompleted,
    TranscriptionDeleted,
)
from infrastructure.postgres.queries import load_queries
from projections.projection import Projection, storable

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class SpokenRow(Struct, frozen=True):
    """`transcript_key` is the current revision's."""

    id: UUID
    user_id: UUID
    transcript_key: str
    language: str


def project(row: SpokenRow | None, event: Event) -> SpokenRow | None:
    match event:
        case TranscriptionCompleted():
            return SpokenRow(
                id=event.transcription_id,
                user_id=event.user_id,
                transcript_key=event.result.transcript_key,
                language=storable(event.result.language),
            )
        case TranscriptEdited() | TranscriptAligned() if row is not None:
            return replace(row, transcript_key=event.transcript_key)
        case TranscriptionDeleted():
            return None
        case _:
            return row


SPOKEN: Final = Projection(
    name="spoken",
    row=SpokenRow,
    keys={
        TranscriptionCompleted: lambda event: event.transcription_id,
        TranscriptEdited: lambda event: event.transcription_id,
        TranscriptAligned: lambda event: event.transcription_id,
        TranscriptionDeleted: lambda event: event.transcription_id,
    },
    project=project,
    queries=SQL,
    version=2,
)
"""A higher version has every transcript indexed anew, while what was indexed is found."""
