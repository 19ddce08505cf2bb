"""What was deleted leaves no objects, however often whoever removes them is killed, and what is not deleted stays."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from commands.delete_transcription import delete_transcription
from commands.remove_file import Fate, RemoveFile, remove_file
from dispatcher.migration import QUEUE
from dispatcher.removals import REMOVALS, PostgresRemovals
from dispatcher.removing import RemovalLimits, Remover
from domain.transcription import transcription_id_of
from domain.transcription_commands import DeleteTranscription
from schemas.objects import FILE, TRANSCRIPTION, folders_of_one
from tests.builders import LATER, identity
from tests.dispatcher.household import PROVENANCE, Household, household
from tests.evidence.crashes import Killed, Mortal, Steps
from tests.infrastructure.object_store.away import AwayStore
from tests.infrastructure.postgres.database import fresh_database
from tests.projections.running import new_runner, running, until
from tests.stack.servers import Database

NAME = "anna's completed"
FILE_ID = identity(NAME)
ONCE = RemovalLimits(again_seconds=(), look_seconds=0.01, retry_seconds=0.0)
TWICE = RemovalLimits(again_seconds=(3600.0,), look_seconds=0.01)
STEPS_MAX = 30


@pytest.fixture
async def home(postgres: Database, tmp_path: Path) -> AsyncIterator[Household]:
    async with fresh_database(postgres) as url, household(url, tmp_path / "objects") as opened:
        yield opened


async def has_objects(home: Household) -> UUID:
    """Anna, who has a file that is transcribed, another one that is too, and objects of both."""
    anna = await home.has_lived("anna", ["completed", "edited"])
    for end in ("completed", "edited"):
        file_id = identity(f"anna's {end}")
        for folder in folders_of_file(anna, file_id):
            for name in ("x", "deep/y"):
                await home.objects.put(f"{folder}/{name}", b"content")
    return anna


def folders_of_file(user_id: UUID, file_id: UUID) -> list[str]:
    """Of it and of its transcription."""
    return [
        *folders_of_one(FILE, user_id, file_id),
        *folders_of_one(TRANSCRIPTION, user_id, transcription_id_of(file_id)),
    ]


async def deletes(home: Household, user_id: UUID, transcript: Fate = "delete") -> None:
    wish = RemoveFile(file_id=FILE_ID, user_id=user_id, transcript=transcript, removed_at=LATER)
    await remove_file(wish, home.store, PROVENANCE)


async def fold(home: Household) -> None:
    """What a dispatcher folds, up to the end of the log."""
    heads = {partition: await home.log.head(partition) for partition in range(home.log.partition_count)}

    async def is_folded() -> bool:
        query = "select partition, seq from projection_checkpoints where projection = $1"
        rows = await home.pool.fetch(query, REMOVALS.name)
        reached = {row["partition"]: row["seq"] for row in rows}
        return all(reached.get(partition, 0) >= seq for partition, seq in heads.items())

    async with running(new_runner(home.pool, home.log, projections=[QUEUE, REMOVALS])):
        await until(is_folded)


def remover(home: Household, limits: RemovalLimits = ONCE, **others: Any) -> Remover:
    parts: dict[str, Any] = {"removals": PostgresRemovals(home.pool), "objects": home.objects} | others
    return Remover(**parts, limits=limits)


def objects_of(home: Household, user_id: UUID, file_id: UUID) -> list[Path]:
    """Also while somebody removes them."""
    folders = [home.folder / folder for folder in folders_of_file(user_id, file_id)]
    return [
        Path(place) / name for folder in folders for place, _, names in os.walk(folder) for name in names
    ]


async def left(home: Household) -> int:
    return int(await home.pool.fetchval("select count(*) from object_removals"))


async def test_the_objects_of_what_is_deleted_go_and_all_others_stay(home: Household) -> None:
    anna = await has_objects(home)
    before = len(home.objects_of(anna))
    assert len(objects_of(home, anna, FILE_ID)) == 8
    await deletes(home, anna)
    await fold(home)
    await remover(home).remove_due()
    assert objects_of(home, anna, FILE_ID) == []
    assert len(home.objects_of(anna)) == before - 8
    assert await left(home) == 0


async def test_the_objects_of_a_transcript_that_is_kept_stay(home: Household) -> None:
    anna = await has_objects(home)
    await deletes(home, anna, "keep")
    await fold(home)
    await remover(home).remove_due()
    kept = {path.relative_to(home.folder).parts[0] for path in objects_of(home, anna, FILE_ID)}
    assert kept == {"windows", "transcripts", "instructions"}


async def test_a_transcription_that_is_deleted_alone_leaves_the_recording(home: Household) -> None:
    anna = await has_objects(home)
    command = DeleteTranscription(
        transcription_id=transcription_id_of(FILE_ID), user_id=anna, deleted_at=LATER
    )
    await delete_transcription(command, home.store, PROVENANCE)
    await fold(home)
    await remover(home).remove_due()
    kept = {path.relative_to(home.folder).parts[0] for path in objects_of(home, anna, FILE_ID)}
    assert kept == {"media"}


async def test_whoever_is_killed_between_any_two_steps_leaves_no_object_in_the_end(home: Household) -> None:
    anna = await has_objects(home)
    await deletes(home, anna)
    await fold(home)
    for deadly in range(1, STEPS_MAX):
        steps = Steps(deadly, done=True)
        mortal = remover(
            home,
            removals=Mortal(PostgresRemovals(home.pool), steps, "put_off", "finish"),
            objects=Mortal(home.objects, steps, "delete_all"),
        )
        try:
            await mortal.remove_due()
        except Killed:
            continue
        break
    assert 1 < deadly < STEPS_MAX
    assert objects_of(home, anna, FILE_ID) == []
    assert await left(home) == 0


async def test_what_arrives_late_is_removed_by_the_next_pass(home: Household) -> None:
    anna = await has_objects(home)
    await deletes(home, anna)
    await fold(home)
    await remover(home, TWICE).remove_due()
    await home.objects.put(f"media/{anna}/{FILE_ID}/late", b"from a process that was slow")
    assert await left(home) == 2
    await remover(home, TWICE).remove_due()
    assert len(objects_of(home, anna, FILE_ID)) == 1
    await home.pool.execute("update object_removals set due_at = now()")
    await remover(home, TWICE).remove_due()
    assert objects_of(home, anna, FILE_ID) == []
    assert await left(home) == 0


async def test_removals_go_on_once_the_object_store_is_back(home: Household) -> None:
    anna = await has_objects(home)
    await deletes(home, anna)
    await fold(home)
    away = AwayStore(home.objects)
    away.failures = 5
    await run_until(remover(home, objects=away), lambda: not objects_of(home, anna, FILE_ID))
    assert away.failed == 5


async def test_what_goes_wrong_with_one_keeps_no_other_waiting(
    home: Household, caplog: pytest.LogCaptureFixture
) -> None:
    anna = await has_objects(home)
    await deletes(home, anna)
    await fold(home)

    class Broken:
        is_mended = False

        async def delete_all(self, folder: str) -> None:
            if folder.startswith("media") and not self.is_mended:
                raise ValueError("nobody foresaw what lies in the talk about Anna")
            await home.objects.delete_all(folder)

    broken = Broken()
    await remover(home, objects=broken).remove_due()
    assert len(objects_of(home, anna, FILE_ID)) == 2
    assert f"objects of file {FILE_ID} stay for now" in caplog.text
    assert "talk about Anna" not in caplog.text
    broken.is_mended = True
    await remover(home, objects=broken).remove_due()
    assert objects_of(home, anna, FILE_ID) == []


async def test_whoever_is_woken_looks_at_once(home: Household) -> None:
    anna = await has_objects(home)
    sleeper = remover(home, RemovalLimits(again_seconds=(), look_seconds=3600.0))
    asleep = asyncio.create_task(sleeper.run())
    try:
        await deletes(home, anna)
        await fold(home)
        sleeper.wake()
        await until(lambda: is_so(lambda: not objects_of(home, anna, FILE_ID)))
    finally:
        asleep.cancel()
        await asyncio.wait([asleep])


async def run_until(working: Remover, satisfied: Callable[[], bool]) -> None:
    task = asyncio.create_task(working.run())
    try:
        await until(lambda: is_so(satisfied))
    finally:
        task.cancel()
        await asyncio.wait([task])


async def is_so(satisfied: Callable[[], bool]) -> bool:
    return satisfied()


async def test_folded_again_everything_is_removed_again_and_nothing_else(home: Household) -> None:
    anna = await has_objects(home)
    await deletes(home, anna)
    await fold(home)
    await remover(home).remove_due()
    before = len(home.objects_of(anna))
    await home.pool.execute("delete from projection_checkpoints where projection = $1", REMOVALS.name)
    await fold(home)
    assert await left(home) == 2
    await remover(home).remove_due()
    assert (await left(home), len(home.objects_of(anna))) == (0, before)
