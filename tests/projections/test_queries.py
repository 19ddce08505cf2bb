"""The queries over the read models, on a real PostgreSQL."""

from datetime import timedelta
from typing import Any

import asyncpg
from msgspec.structs import replace

from domain.transcription import transcription_id_of
from infrastructure.memory import InMemoryEventStore
from projections import files, quota, transcriptions, users
from projections.models import migrate
from tests.builders import NOON, identity, requested, uploaded
from tests.projections.lives import ENDS, happened, lived
from tests.projections.running import contents, project_all

ANNA = identity("anna")


async def test_a_life_shows_in_every_read_model(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    names = [f"one who ends {end}" for end in ENDS]
    await lived(store, names)
    await project_all(pool, store)
    async with pool.acquire() as connection:
        for name, end in zip(names, ENDS, strict=True):
            user_id, file_id = identity(name), identity(f"{name}'s file")
            user = await users.find(connection, user_id)
            minutes = await quota.find(connection, user_id)
            file = await files.find(connection, file_id)
            transcription = await transcriptions.find(connection, transcription_id_of(file_id))
            assert user is not None
            assert minutes is not None
            assert file is not None
            assert transcription is not None
            assert user.quota_minutes == minutes.minutes_available
            assert minutes.minutes_available == {"failed": 60, "cancelled": 60, "damaged": 59}.get(end, 58)
            assert file.transcription_id == transcription.id
            assert file.transcription_status == transcription.status


async def test_what_does_not_exist_is_not_found(pool: "asyncpg.Pool[Any]") -> None:
    async with pool.acquire() as connection:
        assert await users.find(connection, ANNA) is None
        assert await quota.find(connection, ANNA) is None
        assert await files.find(connection, ANNA) is None
        assert await transcriptions.find(connection, ANNA) is None
        assert await files.list_of_user(connection, ANNA, 10) == []


async def test_a_file_without_a_request_says_so(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await happened(store, ANNA, uploaded(user_id=ANNA))
    await project_all(pool, store)
    async with pool.acquire() as connection:
        [file] = await files.list_of_user(connection, ANNA, 10)
    assert (file.transcription_id, file.transcription_status) == (None, "not_initiated")


async def test_pages_of_files_are_stable_while_new_ones_arrive(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await happened(store, ANNA, *(_upload(number) for number in range(7)))
    await project_all(pool, store)
    async with pool.acquire() as connection:
        first = await files.list_of_user(connection, ANNA, 3)
        await happened(store, ANNA, _upload(9))
        await project_all(pool, store)
        second = await files.list_of_user(connection, ANNA, 3, first[-1].cursor)
        third = await files.list_of_user(connection, ANNA, 3, second[-1].cursor)
    seen = [file.original_filename for file in (*first, *second, *third)]
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


async def test_entries_of_one_moment_are_all_listed_once(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await happened(store, ANNA, *(replace(_upload(number), uploaded_at=NOON) for number in range(5)))
    await project_all(pool, store)
    async with pool.acquire() as connection:
        first = await files.list_of_user(connection, ANNA, 2)
        rest = await files.list_of_user(connection, ANNA, 10, first[-1].cursor)
    assert {file.original_filename for file in (*first, *rest)} == {"0", "1", "2", "3", "4"}
    assert len(first) + len(rest) == 5


async def test_transcriptions_are_listed_newest_first_in_pages(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await happened(store, ANNA, *(_request(number) for number in range(5)))
    await project_all(pool, store)
    async with pool.acquire() as connection:
        first = await transcriptions.list_of_user(connection, ANNA, 2)
        rest = await transcriptions.list_of_user(connection, ANNA, 10, first[-1].cursor)
    created = [row.created_at for row in (*first, *rest)]
    assert created == sorted(created, reverse=True)
    assert len(created) == 5


async def test_nobody_sees_the_files_of_others(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, ["anna", "bert"])
    await project_all(pool, store)
    async with pool.acquire() as connection:
        [mine] = await files.list_of_user(connection, ANNA, 10)
    assert mine.user_id == ANNA


async def test_progress_is_that_of_the_current_request(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    names = ENDS[:5]
    await lived(store, names)
    await project_all(pool, store)
    async with pool.acquire() as connection:
        shown = {}
        for name in names:
            transcription_id = transcription_id_of(identity(f"{name}'s file"))
            await connection.execute(
                "insert into transcription_progress values ($1, 1, 30, 60, 50, now(), $2)",
                transcription_id,
                NOON,
            )
            row = await transcriptions.find(connection, transcription_id)
            await connection.execute(
                "update transcription_progress set requested_at = $2 where transcription_id = $1",
                transcription_id,
                NOON - timedelta(seconds=1),
            )
            again = await transcriptions.find(connection, transcription_id)
            assert row is not None
            assert again is not None
            shown[name] = (row.progress_percentage, again.progress_percentage)
    assert shown == {
        "queued": (50, 0),
        "processing": (50, 0),
        "completed": (100, 100),
        "edited": (100, 100),
        "failed": (50, 0),
    }


async def test_progress_of_a_version_that_told_no_request_is_kept_and_not_shown(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, ENDS[:2])
    transcription_id = transcription_id_of(identity("processing's file"))
    async with pool.acquire() as connection:
        await connection.execute("alter table transcription_progress drop column requested_at")
        await connection.execute(
            "insert into transcription_progress values ($1, 1, 30, 60, 50, now())", transcription_id
        )
        await migrate(connection)
        await project_all(pool, store)
        row = await transcriptions.find(connection, transcription_id)
        kept = await connection.fetchval("select percentage from transcription_progress")
    assert row is not None
    assert (row.progress_percentage, kept) == (0, 50)


async def test_migrating_again_changes_nothing(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, ["anna"])
    await project_all(pool, store)
    before = await contents(pool)
    async with pool.acquire() as connection:
        await migrate(connection)
    assert await contents(pool) == before


def _upload(number: int) -> Any:
    return replace(
        uploaded(user_id=ANNA, file_id=identity(f"file {number}")),
        filename=str(number),
        uploaded_at=NOON + timedelta(minutes=number),
    )


def _request(number: int) -> Any:
    file_id = identity(f"file {number}")
    before = requested(user_id=ANNA, transcription_id=transcription_id_of(file_id))
    return replace(
        before, job=replace(before.job, file_id=file_id), requested_at=NOON + timedelta(minutes=number)
    )
