"""The questions to the read models that routes ask most: those of one moment go to the database together."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar
from uuid import UUID

from msgspec import Struct

from api.database import Reading
from infrastructure.gathering import Gathering
from infrastructure.postgres.pool import Connection
from projections import files, quota, transcriptions
from projections.files import FileView, ListedFile
from projections.paging import Page
from projections.quota import QuotaView
from projections.transcriptions import ListedTranscription, TranscriptionView

Question = TypeVar("Question")
Answer = TypeVar("Answer")
Query: TypeAlias = Callable[[Connection, Sequence[Question]], Awaitable[Sequence[Answer]]]


class Reads(Struct, frozen=True, kw_only=True):
    """Each raises DatabaseUnavailable when the answer takes too long."""

    transcription: Gathering[UUID, TranscriptionView | None]
    transcriptions: Gathering[Page, list[ListedTranscription] | None]
    file: Gathering[UUID, FileView | None]
    files: Gathering[Page, list[ListedFile] | None]
    quota: Gathering[UUID, QuotaView | None]


def reads_of(reading: Reading) -> Reads:
    def gathering(query: Query[Question, Answer]) -> Gathering[Question, Answer]:
        async def ask(questions: Sequence[Question]) -> Sequence[Answer]:
            async with reading() as connection:
                return await query(connection, questions)

        return Gathering(ask)

    return Reads(
        transcription=gathering(transcriptions.find_each),
        transcriptions=gathering(transcriptions.list_pages),
        file=gathering(files.find_each),
        files=gathering(files.list_pages),
        quota=gathering(quota.find_each),
    )
