"""The index of what was said: which transcripts are to be indexed, and the passages that are put in the place of earlier ones."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from projections.passages import Passage

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class Unindexed(Struct, frozen=True):
    """A transcript that is to be indexed, and the language of its text."""

    transcription_id: UUID
    user_id: UUID
    transcript_key: str
    language: str


class Superseded(Exception):
    """The transcript is another one by now, or is deleted."""


@dataclass(frozen=True, slots=True)
class SpokenIndex:
    pool: Pool

    async def configurations(self) -> frozenset[str]:
        """How this PostgreSQL can parse texts, by the name of the language."""
        return frozenset(row[0] for row in await self.pool.fetch(SQL["configurations"]))

    async def claim(self, transcripts_max: int, seconds: float) -> Sequence[Unindexed]:
        """Those that wait for longest, for so long this process's."""
        return [Unindexed(*row) for row in await self.pool.fetch(SQL["claim"], transcripts_max, seconds)]

    async def put_off(self, transcript: Unindexed, seconds: float) -> None:
        await self.pool.execute(
            SQL["put_off"], transcript.transcription_id, transcript.transcript_key, seconds
        )

    async def replace(
        self, transcript: Unindexed, configuration: str, parts: AsyncIterator[Sequence[Passage]]
    ) -> None:
        """All passages or none, and whatever was there before goes. Raises Superseded."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["clear"], transcript.transcription_id)
            number = 0
            async for part in parts:
                await connection.execute(SQL["put"], *_arguments(transcript, configuration, number, part))
                number += len(part)
            ids = transcript.transcription_id, transcript.transcript_key
            if not await connection.fetchval(SQL["finish"], *ids):
                raise Superseded

    async def sweep(self) -> None:
        await self.pool.execute(SQL["sweep"])


def _arguments(
    transcript: Unindexed, configuration: str, first: int, part: Sequence[Passage]
) -> tuple[object, ...]:
    return (
        transcript.transcription_id,
        transcript.user_id,
        transcript.transcript_key,
        configuration,
        list(range(first, first + len(part))),
        [passage.text for passage in part],
        [msgspec.json.encode(passage.times).decode() for passage in part],
        [passage.words for passage in part],
        [passage.signs for passage in part],
    )
