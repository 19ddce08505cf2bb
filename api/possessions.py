"""What somebody has: folded from all that happened to them, and readable."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.events import Event
from domain.log import LogRecord
from domain.media_file import FileDeleted, FileUploaded
from domain.personal import PersonalText
from domain.quota import QUOTA, Quota, QuotaDebited, QuotaGranted, QuotaReleased, QuotaReserved
from domain.transcription_events import (
    TranscriptAligned,
    TranscriptEdited,
    TranscriptionCompleted,
    TranscriptionDeleted,
)
from domain.user import UserRegistered


class ReadableEvent(Struct, frozen=True, kw_only=True):
    """A stored event, with its personal fields in the clear."""

    partition: int
    seq: int
    recorded_at: datetime
    stream_id: str
    version: int
    type: str
    actor: str
    data: Event


class Profile(Struct, frozen=True, kw_only=True):
    """Who one is, how many minutes one has, and the last event that the export knows of."""

    id: UUID
    email: PersonalText
    registered_at: datetime | None
    quota_minutes_remaining: int
    quota_minutes_reserved: int
    quota_minutes_used: int
    exported_until: str


class Possessions:
    """What somebody has, folded from all that happened to them."""

    def __init__(self) -> None:
        self.registered: UserRegistered | None = None
        self.quota: Quota = QUOTA.initial
        self.files: dict[UUID, FileUploaded] = {}
        self.deleted_files: list[UUID] = []
        """Their transcripts may still be there."""
        self.transcripts: dict[UUID, str] = {}
        """The key of the current revision, by transcription."""
        self.last = ""

    def profile(self, user_id: UUID) -> Profile:
        return Profile(
            id=user_id,
            email=self.registered.email if self.registered else "",
            registered_at=self.registered.registered_at if self.registered else None,
            quota_minutes_remaining=self.quota.minutes_available,
            quota_minutes_reserved=self.quota.minutes_reserved,
            quota_minutes_used=self.quota.minutes_debited,
            exported_until=self.last,
        )

    def hear(self, record: LogRecord, event: Event) -> None:
        self.last = str(record.address)
        match event:
            case UserRegistered():
                self.registered = event
            case QuotaGranted() | QuotaReserved() | QuotaDebited() | QuotaReleased():
                self.quota = QUOTA.evolve(self.quota, event)
            case FileUploaded():
                self.files[event.file_id] = event
            case FileDeleted():
                self.files.pop(event.file_id, None)
                self.deleted_files.append(event.file_id)
            case TranscriptionCompleted():
                self.transcripts[event.transcription_id] = event.result.transcript_key
            case TranscriptEdited() | TranscriptAligned():
                self.transcripts[event.transcription_id] = event.transcript_key
            case TranscriptionDeleted():
                self.transcripts.pop(event.transcription_id, None)
            case _:
                """Of no consequence for what there is now; it is among the events."""


def readable_line(record: LogRecord, event: Event) -> bytes:
    """As JSON, with the end of the line."""
    readable = ReadableEvent(
        partition=record.partition,
        seq=record.seq,
        recorded_at=record.recorded_at,
        stream_id=record.stream_id,
        version=record.version,
        type=record.type,
        actor=record.actor,
        data=event,
    )
    return msgspec.json.encode(readable) + b"\n"
