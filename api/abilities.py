"""What the models of the workers can do, so that nobody waits for a transcription that must fail."""

from pathlib import Path
from typing import Final

import asyncpg

from api.database import Reading
from domain.languages import Abilities, shared_abilities
from infrastructure.postgres.queries import load_queries

WORKER_SILENCE_SECONDS_MAX: Final = 15.0
"""How long after its last word a worker still counts as there."""

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


async def abilities_of_workers(reading: Reading) -> Abilities:
    """Of the workers seen lately. Without any, nothing is known, and everything is taken: some may come."""
    async with reading() as connection:
        rows = await connection.fetch(_SQL["seen"], WORKER_SILENCE_SECONDS_MAX)
    return shared_abilities([abilities_of(row) for row in rows])


def abilities_of(row: "asyncpg.Record") -> Abilities:
    return Abilities(
        languages=tuple(row["languages"].split()),
        translates=row["translates"],
        detects=row["detects"],
        takes_prompt=row["takes_prompt"],
    )
