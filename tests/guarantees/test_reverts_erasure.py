"""Erased for good: with a second pass, events for what is deleted and a mark that every query asks for, and without."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dispatcher.erasing import Eraser
from dispatcher.erasures import PostgresErasures
from dispatcher.ports import Leaving
from projections import files
from projections.models import READ_MODELS
from projections.rebuild import rebuild
from tests.dispatcher.household import AT_ONCE, Household, StillClock, household
from tests.infrastructure.postgres.database import fresh_database
from tests.stack.servers import Database

SETTLED = 1_000.0


@pytest.fixture
async def home(postgres: Database, tmp_path: Path) -> AsyncIterator[Household]:
    async with fresh_database(postgres) as url, household(url, tmp_path / "objects") as opened:
        yield opened


class WithALateWorker(PostgresErasures):
    """While somebody is forgotten a worker puts a window that it had in hand."""

    def __init__(self, home: Household) -> None:
        super().__init__(home.pool)
        object.__setattr__(self, "home", home)

    async def forget(self, user_id: UUID) -> None:
        await super().forget(user_id)
        home: Household = self.home  # type: ignore[attr-defined]  # set above
        await home.objects.put(f"windows/{user_id}/x/0.json", b"heard meanwhile")


class Hasty(Eraser):
    """Goes through its steps once."""

    async def erase(self, leaving: Leaving) -> bool:
        await self._take_away(leaving.user_id)
        await self._erasures.forget(leaving.user_id)
        await self._record(leaving.user_id)
        return True


class Eventless(Eraser):
    """Deletes rows and not streams."""

    async def _end_streams(self, user_id: UUID) -> None:
        for name in ("files", "transcriptions", "spoken"):
            pool: Any = self._erasures.pool  # type: ignore[attr-defined]  # the real ones
            await pool.execute(f"delete from {name} where user_id = $1", user_id)


def eraser_of(kind: type[Eraser], home: Household, erasures: PostgresErasures) -> Eraser:
    return kind(erasures, home.store, home.objects, home.keys, StillClock(), limits=AT_ONCE)


async def objects_left(kind: type[Eraser], home: Household) -> int:
    anna = await home.has_lived("anna", ["completed"])
    await home.wants_to_go(anna)
    await eraser_of(kind, home, WithALateWorker(home)).erase(Leaving(anna, SETTLED))
    return len(home.objects_of(anna))


async def test_what_a_worker_puts_while_somebody_is_erased_is_deleted_too(home: Household) -> None:
    assert await objects_left(Eraser, home) == 0


async def test_in_one_pass_what_a_worker_puts_meanwhile_is_left(home: Household) -> None:
    assert await objects_left(Hasty, home) == 1


async def rows_after_a_rebuild(kind: type[Eraser], home: Household) -> int:
    anna = await home.has_lived("anna", ["completed"])
    await home.rows_of(anna)
    await home.wants_to_go(anna)
    await eraser_of(kind, home, PostgresErasures(home.pool)).erase(Leaving(anna, SETTLED))
    assert await home.rows_of(anna) == 0
    async with home.pool.acquire() as connection:
        for projection in READ_MODELS.values():
            await rebuild(connection, home.log, projection, home.reading, lambda _folded, _there: None)
    return await home.rows_of(anna)


async def test_with_events_for_what_is_deleted_a_rebuild_brings_nothing_back(home: Household) -> None:
    assert await rows_after_a_rebuild(Eraser, home) == 0


async def test_rows_that_are_deleted_without_an_event_come_back_in_a_rebuild(home: Household) -> None:
    assert await rows_after_a_rebuild(Eventless, home) == 3


async def files_shown(home: Household, query: str) -> int:
    """To somebody who has asked to be erased, before any event of it is folded."""
    anna = await home.has_lived("anna", ["completed"])
    await home.rows_of(anna)
    await home.wants_to_go(anna)
    async with home.pool.acquire() as connection:
        rows = await connection.fetch(query, [anna], [10], [None], [None])
    return sum(row[1] is not None for row in rows)


async def test_a_query_that_asks_for_the_mark_shows_nothing(home: Household) -> None:
    assert await files_shown(home, files.SQL["list_pages"]) == 0


async def test_without_asking_for_the_mark_everything_is_shown(home: Household) -> None:
    query = files.SQL["list_pages"].replace("leaving.erasure_requested_at is not null", "false")
    assert await files_shown(home, query) == 1
