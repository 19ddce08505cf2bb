"""Edits a transcript: the text as a whole, timed by what was heard."""

import asyncio
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import DecodeError, Struct

from commands.revising import Revised, completed, revise
from domain.alignment import with_times_of
from domain.edits import edit
from domain.errors import InvalidField, TranscriptMissing
from domain.log import Provenance
from domain.ports import EventStore, ObjectMissing, ObjectStore
from domain.rewording import TEXT_CHARACTERS_MAX
from domain.tokens import tokens_of
from domain.transcript import Word
from domain.transcript_keys import transcript_key
from domain.transcription import Transcription
from domain.transcription_commands import EditTranscript
from schemas.objects import decode_transcript, encode_transcript

STORED_MAX_PER_BYTE: Final = 2
STORED_ADDED_BYTES_MAX: Final = 800_000
"""An edit may take twice the room of what was heard and an hour of speech more; nobody types so much more than that.

Aligning takes time that grows with the words of both texts multiplied, and each sign of a script without spaces is
stored as a word: so what counts is what will be stored, and not what was sent.
"""
_WORD_BYTES_MIN: Final = len(msgspec.json.encode(Word(text="", start_ms=0, end_ms=0, edited=True)))


class ChangeText(Struct, frozen=True, kw_only=True):
    """`expected` are the tags of the revisions it may follow; None for any, so that the last write wins.

    `field` is what the request calls that which makes the text too long, where it is refused for that.
    """

    transcription_id: UUID
    user_id: UUID
    text: str
    changed_at: datetime
    expected: frozenset[str] | None = None
    field: str = "transcript_text"


async def edit_transcript(
    change: ChangeText, store: EventStore, objects: ObjectStore, provenance: Provenance
) -> Revised:
    """Raises InvalidField, or as `completed` and `revise`."""
    if len(change.text) > TEXT_CHARACTERS_MAX:
        raise InvalidField(change.field, f"may have at most {TEXT_CHARACTERS_MAX} characters")
    state = await completed(store, change.transcription_id, change.user_id)
    content, command = await _edit(state, objects, change)
    return await revise(state, command, store, objects, provenance, content=content)


async def _edit(
    state: Transcription, objects: ObjectStore, change: ChangeText
) -> tuple[bytes, EditTranscript]:
    try:
        heard = await objects.get(state.heard_key)
        aligned = await objects.get(state.transcript_key) if state.was_aligned else None
        return await asyncio.to_thread(_edited, heard, aligned, change)
    except (ObjectMissing, DecodeError) as problem:
        raise TranscriptMissing from problem


def _edited(heard: bytes, aligned: bytes | None, change: ChangeText) -> tuple[bytes, EditTranscript]:
    """The new transcript as an object, and the command that makes it the current one.

    Each revision is timed by what the engine heard, not by the one before: a word that was deleted and comes
    back has its time again. Typed words that were `aligned` since keep those times. The same text gives the same
    object, so sending it again is no edit.
    """
    bytes_max = STORED_MAX_PER_BYTE * len(heard) + STORED_ADDED_BYTES_MAX
    before = decode_transcript(heard)
    _require_room(_stored_bytes_min(before.text, change.text), bytes_max, change.field)
    transcript = edit(before, change.text)
    if aligned is not None:
        transcript = with_times_of(transcript, decode_transcript(aligned))
    content, sha256 = encode_transcript(transcript)
    _require_room(len(content), bytes_max, change.field)
    return content, EditTranscript(
        transcription_id=change.transcription_id,
        user_id=change.user_id,
        transcript_key=transcript_key(change.user_id, change.transcription_id, sha256),
        transcript_sha256=sha256,
        word_count=transcript.word_count,
        edited_at=change.changed_at,
        expected=change.expected,
        estimated_count=sum(word.timing == "estimated" for word in transcript.words),
    )


def _stored_bytes_min(before: str, after: str) -> int:
    """No more than the text takes as a transcript, found before any work is done for it."""
    added = max(0, len(tokens_of(after)) - len(tokens_of(before)))
    return len(after.encode()) + added * _WORD_BYTES_MIN


def _require_room(stored_bytes: int, bytes_max: int, field: str) -> None:
    if stored_bytes > bytes_max:
        raise InvalidField(
            field,
            f"has far more words than were said: with a time for each it would take {stored_bytes:,} bytes and may "
            f"take {bytes_max:,}. Send the edited transcript",
        )
