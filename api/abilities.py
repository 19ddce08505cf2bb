"""What the models of the workers can do, so that nobody waits for a transcription that must fail."""

from functools import partial
from pathlib import Path
from typing import Final

import asyncpg

from api.database import Reading
from api.kept import Kept
from domain.languages import Abilities, shared_abilities
from infrastructure.postgres.queries import load_queries

WORKER_SILENCE_SECONDS_MAX: Final = 15.0
"""How long after its last word a worker still counts as there."""
KEEP_SECONDS: Final = 1.0
"""For how long an answer serves every request: a worker says only every few seconds that it is there."""

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


def kept_abilities(reading: Reading) -> Kept[Abilities]:
    """Of the workers seen lately; where they cannot be read, each asks anew."""
    return Kept(partial(abilities_of_workers, reading), KEEP_SECONDS, keep_failures=False)


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
