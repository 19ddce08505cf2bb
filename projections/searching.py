"""Searching what was said in a person's recordings: transcripts by how well they answer, with snippets and their times."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from itertools import groupby
from math import inf, isnan
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from asyncpg import Record
from msgspec import Struct

from domain.errors import InvalidField
from domain.personal import PersonalText
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from projections.passages import Question, folded_of, spaced_of
from projections.snippets import BEGIN, END, Snippet, Span, snippet_of, spans_marked, spans_of

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

SNIPPETS_MAX: Final = 3
"""Of one transcript."""
_UUID_BYTES: Final = 16

_TIMES: Final = msgspec.json.Decoder(list[tuple[int, int]])


class RankCursor(Struct, frozen=True):
    """The last entry a reader has seen; the next page holds what answers no better."""

    rank: float
    id: UUID

    def encode(self) -> str:
        """Opaque text for a link."""
        return urlsafe_b64encode(self.id.bytes + struct.pack(">f", self.rank)).decode().rstrip("=")


BEGINNING: Final = RankCursor(inf, UUID(int=(1 << 128) - 1))


class Found(Struct, frozen=True, kw_only=True):
    """A transcript in which something was found; without a name where its recording is deleted. `passages` are all that answer."""

    transcription_id: UUID
    file_id: UUID
    filename: PersonalText | None
    rank: float
    passages: int
    snippets: tuple[Snippet, ...]

    @property
    def cursor(self) -> RankCursor:
        return RankCursor(self.rank, self.transcription_id)


class Standing(Struct, frozen=True):
    """Whether they have asked to be erased, and whether some transcript of theirs is still to be indexed."""

    leaves: bool
    is_behind: bool


def decode_rank_cursor(text: str) -> RankCursor:
    """Raises InvalidField when the text is no cursor that a search gave out."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        (rank,) = struct.unpack(">f", content[_UUID_BYTES:])
        if isnan(rank):
            raise ValueError("no rank")
        return RankCursor(rank, UUID(bytes=content[:_UUID_BYTES]))
    except (ValueError, struct.error):
        raise InvalidField("cursor", "is none that a search gave out: take it from a Link header") from None


async def standing_of(connection: Connection, user_id: UUID) -> Standing:
    row = await connection.fetchrow(SQL["standing"], user_id)
    assert row is not None
    return Standing(*row)


async def search(
    connection: Connection, user_id: UUID, question: Question, size: int, after: RankCursor = BEGINNING
) -> list[Found]:
    """At most `size` transcripts that answer no better than `after`, the best first."""
    rows = await connection.fetch(
        SQL["search"],
        user_id,
        [each.words for each in question.alternatives],
        [each.signs for each in question.alternatives],
        *(after.rank, after.id, size, SNIPPETS_MAX),
    )
    spans = await _spans(connection, rows, question)
    snippets = [
        snippet_of(row["text"], folded_of(row["text"]), _TIMES.decode(row["times"]), found)
        for row, found in zip(rows, spans, strict=True)
    ]
    return _grouped(rows, snippets)


async def _spans(connection: Connection, rows: Sequence[Record], question: Question) -> list[list[Span]]:
    """What each passage answers with: words as the database finds them, and signs as they stand there."""
    folded = [folded_of(row["text"]) for row in rows]
    found = [spans_of(question.runs, each) for each in folded]
    if question.words and rows:
        words = [spaced_of(each) for each in folded]
        configurations = [row["configuration"] for row in rows]
        marked = await connection.fetch(SQL["mark"], configurations, words, question.words, BEGIN, END)
        for spans, plain, (text,) in zip(found, words, marked, strict=True):
            spans.extend(spans_marked(text, plain))
    return found


def _grouped(rows: Sequence[Record], snippets: Sequence[Snippet]) -> list[Found]:
    found = []
    for _, group in groupby(zip(rows, snippets, strict=True), key=lambda pair: pair[0][0]):
        members = list(group)
        first = members[0][0]
        found.append(
            Found(
                transcription_id=first["transcription_id"],
                file_id=first["file_id"],
                filename=first["original_filename"],
                rank=first["rank"],
                passages=first["passages"],
                snippets=tuple(snippet for _, snippet in members),
            )
        )
    return found
