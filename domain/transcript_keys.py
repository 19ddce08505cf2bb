"""Where transcripts lie in the object store: each under its user and its transcription, by its content."""

from uuid import UUID

from domain.errors import TranscriptMisplaced


def transcript_key(user_id: UUID, transcription_id: UUID, transcript_sha256: str) -> str:
    return f"transcripts/{user_id}/{transcription_id}/{transcript_sha256}.json"


def require_own_key(key: str, user_id: UUID, transcription_id: UUID, transcript_sha256: str) -> None:
    """Raises TranscriptMisplaced for any other place, such as one that holds somebody else's transcript."""
    if key != transcript_key(user_id, transcription_id, transcript_sha256):
        raise TranscriptMisplaced(transcription_id)
