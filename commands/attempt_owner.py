"""Whose transcription an attempt belongs to."""

from uuid import UUID

from domain.errors import StaleAttempt
from domain.transcription import Transcription


def owner_of(transcription: Transcription, attempt: int) -> UUID:
    """Raises StaleAttempt for a transcription nobody requested."""
    if transcription.user_id is None:
        raise StaleAttempt(attempt, transcription.attempt, transcription.status)
    return transcription.user_id
