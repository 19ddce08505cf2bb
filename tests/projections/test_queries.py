"""The queries over the read models, on a real PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from msgspec import structs
from msgspec.structs import replace

from domain.instructions import Instructions
from domain.transcription import transcription_id_of
from infrastructure.memory import InMemoryEventStore
from infrastructure.postgres.pool import Connection
from projections import files, quota, transcriptions, users
from projections.files import ListedFile
from projections.models import migrate
from projections.paging import Page
from projections.transcriptions import ListedTranscription, TranscriptionView
from tests.builders import NOON, identity, requested, uploaded
from tests.projections.lives import ENDS, happened, lived
from tests.projections.running import contents, project_all

ANNA = identity("anna")


async def listed_files(connection: Connection, pages: Sequence[Page]) -> list[list[ListedFile]]:
    return [page for page in await files.list_pages(connection, pages) if page is not None]


async def listed_transcriptions(
    connection: Connection, pages: Sequence[Page]
) -> list[list[ListedTranscription]]:
    return [page for page in await transcriptions.list_pages(connection, pages) if page is not None]


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
            [minutes] = await quota.find_each(connection, [user_id])
            [file] = await files.find_each(connection, [file_id])
            [transcription] = await transcriptions.find_each(connection, [transcription_id_of(file_id)])
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
        assert await quota.find_each(connection, [ANNA]) == [None]
        assert await files.find_each(connection, [ANNA]) == [None]
        assert await transcriptions.find_each(connection, [ANNA]) == [None]
        assert await listed_files(connection, [Page(ANNA, 10)]) == [[]]
        assert await listed_transcriptions(connection, [Page(ANNA, 10)]) == [[]]


async def test_a_file_without_a_request_says_so(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await happened(store, ANNA, uploaded(user_id=ANNA))
    await project_all(pool, store)
    async with pool.acquire() as connection:
        [[file]] = await listed_files(connection, [Page(ANNA, 10)])
    assert (file.transcription_id, file.transcription_status) == (None, "not_initiated")


async def test_pages_of_files_are_stable_while_new_ones_arrive(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await happened(store, ANNA, *(_upload(number) for number in range(7)))
    await project_all(pool, store)
    async with pool.acquire() as connection:
        [first] = await listed_files(connection, [Page(ANNA, 3)])
        await happened(store, ANNA, _upload(9))
        await project_all(pool, store)
        [second] = await listed_files(connection, [Page(ANNA, 3, first[-1].cursor)])
        [third] = await listed_files(connection, [Page(ANNA, 3, second[-1].cursor)])
    seen = [file.original_filename for file in (*first, *second, *third)]
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


async def test_entries_of_one_moment_are_all_listed_once(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await happened(store, ANNA, *(replace(_upload(number), uploaded_at=NOON) for number in range(5)))
    await project_all(pool, store)
    async with pool.acquire() as connection:
        [first] = await listed_files(connection, [Page(ANNA, 2)])
        [rest] = await listed_files(connection, [Page(ANNA, 10, first[-1].cursor)])
    assert {file.original_filename for file in (*first, *rest)} == {"0", "1", "2", "3", "4"}
    assert len(first) + len(rest) == 5


async def test_transcriptions_are_listed_newest_first_in_pages(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await happened(store, ANNA, *(_request(number) for number in range(5)))
    await project_all(pool, store)
    async with pool.acquire() as connection:
        [first] = await listed_transcriptions(connection, [Page(ANNA, 2)])
        [rest] = await listed_transcriptions(connection, [Page(ANNA, 10, first[-1].cursor)])
    created = [row.created_at for row in (*first, *rest)]
    assert created == sorted(created, reverse=True)
    assert len(created) == 5


async def test_nobody_sees_the_files_of_others(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, ["anna", "bert"])
    await project_all(pool, store)
    async with pool.acquire() as connection:
        [[mine]] = await listed_files(connection, [Page(ANNA, 10)])
    assert mine.id == identity("anna's file")


async def test_each_of_many_who_ask_at_once_has_an_answer_of_their_own(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    names = ["anna", "bert", "anna", "nobody"]
    await lived(store, ["anna", "bert"])
    await project_all(pool, store)
    users_, files_ = [identity(name) for name in names], [identity(f"{name}'s file") for name in names]
    transcriptions_ = [transcription_id_of(each) for each in files_]
    pages = [Page(each, 10) for each in users_]
    async with pool.acquire() as connection:
        minutes = await quota.find_each(connection, users_)
        found = await files.find_each(connection, files_)
        transcribed = await transcriptions.find_each(connection, transcriptions_)
        listed = await listed_files(connection, pages)
        transcriptions_listed = await listed_transcriptions(connection, pages)
    assert [each and each.user_id for each in minutes] == [*users_[:3], None]
    assert [each and each.id for each in found] == [*files_[:3], None]
    assert [each and each.id for each in transcribed] == [*transcriptions_[:3], None]
    assert [[each.id for each in page] for page in listed] == [*([each] for each in files_[:3]), []]
    assert [[each.id for each in page] for page in transcriptions_listed] == [
        *([each] for each in transcriptions_[:3]),
        [],
    ]


async def test_what_a_list_shows_of_a_transcription_is_what_the_transcription_says(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, ENDS)
    await project_all(pool, store)
    ids = [transcription_id_of(identity(f"{name}'s file")) for name in ENDS]
    pages = [Page(identity(name), 10) for name in ENDS]
    async with pool.acquire() as connection:
        await connection.execute(
            "insert into transcription_progress select id, 1, 30, 60, 50, now(), requested_at from transcriptions"
        )
        whole = await transcriptions.find_each(connection, ids)
        listed = await listed_transcriptions(connection, pages)
    shown = [_listed(each) for page in listed for each in page]
    assert shown == [_listed(each) for each in whole if each is not None]
    assert len(shown) == len(ENDS)


def _listed(view: ListedTranscription | TranscriptionView) -> tuple[object, ...]:
    task = view.task if isinstance(view, ListedTranscription) else view.asked.task
    names = ("id", "file_id", "status", "created_at", "completed_at", "language", "media_warnings")
    return (task, view.progress_percentage, *(getattr(view, name) for name in names))


@pytest.mark.parametrize(
    "instructions",
    [
        Instructions(),
        Instructions(task="translate"),
        Instructions(prompt='{"task":"translate"}', vocabulary=('"task":"translate"',)),
    ],
)
async def test_a_list_tells_the_task_and_not_what_a_prompt_quotes(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore, instructions: Instructions
) -> None:
    event = _request(0)
    moment = NOON + timedelta(microseconds=1)
    job = replace(event.job, **structs.asdict(instructions))
    await happened(store, ANNA, replace(event, job=job, requested_at=moment))
    await project_all(pool, store)
    async with pool.acquire() as connection:
        [[listed]] = await listed_transcriptions(connection, [Page(ANNA, 1)])
    assert (listed.task, listed.created_at) == (instructions.task, moment)


async def test_lists_tell_times_to_the_microsecond(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    moments = [NOON + timedelta(days=7 * number, microseconds=999_983 * number) for number in range(50)]
    await happened(
        store,
        ANNA,
        *(replace(_upload(number), uploaded_at=moment) for number, moment in enumerate(moments)),
        *(replace(_request(number), requested_at=moment) for number, moment in enumerate(moments)),
    )
    await project_all(pool, store)
    async with pool.acquire() as connection:
        [uploads] = await listed_files(connection, [Page(ANNA, 100)])
        [requests] = await listed_transcriptions(connection, [Page(ANNA, 100)])
    assert [each.created_at for each in uploads] == moments[::-1]
    assert [each.created_at for each in requests] == moments[::-1]


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
            [row] = await transcriptions.find_each(connection, [transcription_id])
            await connection.execute(
                "update transcription_progress set requested_at = $2 where transcription_id = $1",
                transcription_id,
                NOON - timedelta(seconds=1),
            )
            [again] = await transcriptions.find_each(connection, [transcription_id])
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
        [row] = await transcriptions.find_each(connection, [transcription_id])
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


async def test_of_who_has_asked_to_be_erased_nothing_is_shown_and_of_the_others_all(
    pool: "asyncpg.Pool[Any]", store: InMemoryEventStore
) -> None:
    """All questions of one moment go to the database together; the answer about one is no answer about another."""
    await lived(store, ["anna", "bert"])
    await project_all(pool, store)
    anna, bert = identity("anna"), identity("bert")
    await pool.execute(
        "insert into credentials (user_id, email, password_hash, erasure_requested_at) values "
        "($1, 'anna@example.com', '', now()), ($2, 'bert@example.com', '', null)",
        anna,
        bert,
    )
    pages = [Page(anna, 10), Page(bert, 10), Page(anna, 1)]
    names = [identity("anna's file"), identity("bert's file")]
    async with pool.acquire() as connection:
        for found in (
            await files.list_pages(connection, pages),
            await transcriptions.list_pages(connection, pages),
        ):
            assert [page and len(page) for page in found] == [None, 1, None]
        uploads = await files.find_each(connection, names)
        asked = await transcriptions.find_each(connection, [transcription_id_of(name) for name in names])
        assert [row and row.owner_leaves for row in (*uploads, *asked)] == [True, False, True, False]
        minutes = await quota.find_each(connection, [anna, bert])
        people = [await users.find(connection, user_id) for user_id in (anna, bert)]
        assert [row and row.leaves for row in (*minutes, *people)] == [True, False, True, False]
