"""Seals the personal fields of events that were stored in the clear, and says what that came to."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from evidence.tables import EvidenceTables
from infrastructure.postgres.clear_events import ClearEvents, Outcome
from infrastructure.postgres.migrate import tell_done
from infrastructure.postgres.person_keys import fitting_person_keys
from infrastructure.postgres.pool import create_pool
from infrastructure.settings import Settings

WHAT: Final = "personal fields"
SILENT_SECONDS: Final = 2.0
TELL_SECONDS: Final = 1.0


async def seal_earlier_events(settings: Settings) -> None:
    """Raises InvalidSetting where there is something to seal and no master key to do it with."""
    async with await create_pool(
        settings.database_url, application_name="stenolog migrate", size_max=2
    ) as pool:
        tables = EvidenceTables(pool)

        async def covered(partition: int) -> int:
            latest = await tables.latest(partition)
            return latest.size if latest else 0

        keys = partial(fitting_person_keys, pool, settings.master_keys)
        outcome = await ClearEvents(pool, keys, covered).seal(_Progress().tell)
    tell_done(WHAT, [f"sealed in {outcome.sealed:,} events of before"] if outcome.sealed else [])
    for line in _remarks(outcome):
        print(f"{WHAT}: {line}", flush=True)  # for the person who waits


def _remarks(outcome: Outcome) -> Iterator[str]:
    """What is not as it should be, and what to do."""
    if outcome.sealed:
        yield "what they said in the clear is on the database's disk until `vacuum full events` has run"
    if outcome.kept:
        yield (
            f"{outcome.kept:,} events stay in the clear, since evidence shows them as they are, and whoever is in them cannot be "
            "erased from them; docs/erasure.md says how to begin the evidence anew, after which this seals them"
        )
    if outcome.unreadable:
        yield (
            f"events {', '.join(outcome.unreadable)} cannot be read and stay as they are: somebody wrote into the table of "
            "events; compare them with a backup"
        )
    if outcome.detached:
        numbers = ", ".join(map(str, sorted(outcome.detached)))
        yield f"partitions {numbers} are detached: attach their tables, and run `stenolog migrate` once more"


class _Progress:
    def __init__(self) -> None:
        self._next_at = time.monotonic() + SILENT_SECONDS

    def tell(self, looked: int, there: int) -> None:
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + TELL_SECONDS
            print(f"{WHAT}: looked at {looked:,} of {there:,} events", flush=True)  # as above
