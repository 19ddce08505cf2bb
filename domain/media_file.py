"""Media files: a recording that was uploaded, probed and stored, and may be deleted."""

from typing import TypeAlias, assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.decider import Decider
from domain.errors import FileNotFound, NotOwner
from domain.moment import Moment
from domain.personal import PersonalText


class FileUploaded(Struct, frozen=True, kw_only=True):
    """`media_key` is where the object store holds the bytes; `duration_seconds` was measured, not claimed."""

    file_id: UUID
    user_id: UUID
    filename: PersonalText
    media_key: str
    media_sha256: str
    size_bytes: int
    duration_seconds: float
    uploaded_at: Moment


class FileDeleted(Struct, frozen=True, kw_only=True):
    file_id: UUID
    user_id: UUID
    deleted_at: Moment


FileEvent: TypeAlias = FileUploaded | FileDeleted


class RecordUpload(Struct, frozen=True, kw_only=True):
    file_id: UUID
    user_id: UUID
    filename: PersonalText
    media_key: str
    media_sha256: str
    size_bytes: int
    duration_seconds: float
    uploaded_at: Moment


class DeleteFile(Struct, frozen=True, kw_only=True):
    file_id: UUID
    user_id: UUID
    deleted_at: Moment


FileCommand: TypeAlias = RecordUpload | DeleteFile


class MediaFile(Struct, frozen=True, kw_only=True):
    """`uploaded` is None until the file exists, and again once it is deleted; `deleted_by` is whose it was."""

    uploaded: FileUploaded | None = None
    deleted_by: UUID | None = None

    @property
    def deleted(self) -> bool:
        return self.deleted_by is not None


def decide(command: FileCommand, state: MediaFile) -> list[FileEvent]:
    match command:
        case RecordUpload() if state.uploaded is not None or state.deleted:
            return []
        case RecordUpload():
            return [
                FileUploaded(
                    file_id=command.file_id,
                    user_id=command.user_id,
                    filename=command.filename,
                    media_key=command.media_key,
                    media_sha256=command.media_sha256,
                    size_bytes=command.size_bytes,
                    duration_seconds=command.duration_seconds,
                    uploaded_at=command.uploaded_at,
                )
            ]
        case DeleteFile() if state.deleted_by == command.user_id:
            return []
        case DeleteFile():
            require_owned(state, command.file_id, command.user_id)
            return [
                FileDeleted(file_id=command.file_id, user_id=command.user_id, deleted_at=command.deleted_at)
            ]
        case _:
            assert_never(command)


def evolve(state: MediaFile, event: FileEvent) -> MediaFile:
    match event:
        case FileUploaded():
            return replace(state, uploaded=event)
        case FileDeleted():
            return MediaFile(deleted_by=event.user_id)
        case _:
            assert_never(event)


def require_owned(state: MediaFile, file_id: UUID, user_id: UUID) -> FileUploaded:
    """The upload, if it exists and is this user's; raises FileNotFound or NotOwner."""
    if state.uploaded is None:
        raise FileNotFound(file_id)
    if state.uploaded.user_id != user_id:
        raise NotOwner
    return state.uploaded


MEDIA_FILE: Decider[FileCommand, MediaFile, FileEvent] = Decider("file", MediaFile(), decide, evolve)
