"""Rewords a transcript: one word of a revision, or a text throughout. Each is an edit of the very revision it was made from."""

import asyncio
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import DecodeError, Struct

from commands.edit_transcript import ChangeText, edit_transcript
from commands.lines import Lines
from commands.revising import Revised, completed
from commands.turns import TooManyAtOnce
from domain.errors import RevisionChanged, TranscriptMissing
from domain.log import Provenance
from domain.ports import EventStore, ObjectMissing, ObjectStore
from domain.revisions import Revision
from domain.rewording import Replacement, replaced, with_word
from domain.transcript import Transcript
from domain.transcription import Transcription, require_expected
from schemas.objects import decode_transcript

REPEAT_SECONDS_MAX: Final = 5.0
"""For replacing again and again, since others were first who do not stand in this line."""

_LINES: Final = Lines()
"""So that replacements of one transcript are made one after the other, each in the text that the one before left."""


class ChangeWord(Struct, frozen=True, kw_only=True):
    """`revision` is as the log has it, and `index` counts its words from 0; `expected` as in ChangeText."""

    transcription_id: UUID
    user_id: UUID
    revision: Revision
    index: int
    text: str
    changed_at: datetime
    expected: frozenset[str] | None = None


class ReplaceText(Struct, frozen=True, kw_only=True):
    """`expected` as in ChangeText."""

    transcription_id: UUID
    user_id: UUID
    replacement: Replacement
    changed_at: datetime
    expected: frozenset[str] | None = None


class Replaced(Struct, frozen=True, kw_only=True):
    count: int
    revised: Revised


async def change_word(
    change: ChangeWord, store: EventStore, objects: ObjectStore, provenance: Provenance
) -> Revised:
    """Raises RevisionChanged unless its revision is the current one, or as `edit_transcript`.

    Sent again after it was done it changes nothing: it makes the same text of the same revision.
    """
    await completed(store, change.transcription_id, change.user_id)
    transcript = await _transcript(change.revision.transcript_key, objects)
    text = await asyncio.to_thread(with_word, transcript, change.index, change.text)
    expected = frozenset({change.revision.tag})
    edit = ChangeText(
        transcription_id=change.transcription_id,
        user_id=change.user_id,
        text=text,
        changed_at=change.changed_at,
        expected=expected if change.expected is None else expected & change.expected,
        field="text",
    )
    return await edit_transcript(edit, store, objects, provenance)


async def replace_text(
    change: ReplaceText, store: EventStore, objects: ObjectStore, provenance: Provenance
) -> Replaced:
    """In the current revision. Raises RevisionChanged when another was expected, TooManyAtOnce, or as `edit_transcript`."""
    loop = asyncio.get_running_loop()
    async with _LINES.turn(change.transcription_id):
        until = loop.time() + REPEAT_SECONDS_MAX
        while True:
            state = await completed(store, change.transcription_id, change.user_id)
            require_expected(state, change.expected)
            try:
                return await _replace(change, state, store, objects, provenance)
            except RevisionChanged:
                if loop.time() >= until:
                    raise TooManyAtOnce from None


async def _replace(
    change: ReplaceText,
    state: Transcription,
    store: EventStore,
    objects: ObjectStore,
    provenance: Provenance,
) -> Replaced:
    transcript = await _transcript(state.transcript_key, objects)
    text, count = await asyncio.to_thread(replaced, transcript.text, change.replacement)
    if not count:
        return Replaced(count=0, revised=Revised(address=None, revision=state.revision, tag=state.tag))
    edit = ChangeText(
        transcription_id=change.transcription_id,
        user_id=change.user_id,
        text=text,
        changed_at=change.changed_at,
        expected=frozenset({state.tag}),
        field="replace_with",
    )
    return Replaced(count=count, revised=await edit_transcript(edit, store, objects, provenance))


async def _transcript(key: str, objects: ObjectStore) -> Transcript:
    """Raises TranscriptMissing."""
    try:
        return await asyncio.to_thread(decode_transcript, await objects.get(key))
    except (ObjectMissing, DecodeError) as problem:
        raise TranscriptMissing from problem
