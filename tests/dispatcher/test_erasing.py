"""Erasing: step by step, each of which may be done again, in a real database."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from commands.record_upload import record_upload
from commands.start_transcription import start_transcription
from dispatcher.erasing import ErasureLimits
from dispatcher.erasures import PostgresErasures
from dispatcher.ports import Leaving
from domain.errors import EmailTaken, PersonErased, StaleAttempt
from domain.log import StreamAppend
from domain.media_file import MEDIA_FILE, RecordUpload
from domain.quota import QUOTA
from domain.transcription import transcription_id_of
from infrastructure.postgres.store import PostgresEventStore
from projections.models import READ_MODELS
from projections.rebuild import rebuild
from schemas.sealing import Keys, PersonKey
from tests.builders import NOON, WORKER, identity, uploaded
from tests.dispatcher.household import PARTITION_COUNT, PROVENANCE, Household, household
from tests.infrastructure.object_store.away import AwayStore
from tests.infrastructure.postgres.database import fresh_database
from tests.projections.running import contents, until
from tests.stack.servers import Database

SETTLED = 1_000.0


class Kept:
    """As a process has them that has not heard yet of an erased key."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def at_hand(self, owner_id: UUID) -> PersonKey | None:
        return self._keys[owner_id]

    async def of(self, owner_ids: Collection[UUID]) -> Keys:
        del owner_ids
        return self._keys

    async def provide(self, owner_id: UUID) -> PersonKey:
        key = self._keys[owner_id]
        assert key is not None
        return key


@pytest.fixture
async def home(postgres: Database, tmp_path: Path) -> AsyncIterator[Household]:
    async with fresh_database(postgres) as url, household(url, tmp_path / "objects") as opened:
        yield opened


async def test_nothing_is_left_of_who_is_erased_and_everything_of_the_others(home: Household) -> None:
    anna, bert = await home.has_lived("anna"), await home.has_lived("bert")
    before = await home.rows_of(bert), await home.types_of(bert), len(home.objects_of(bert))
    await home.wants_to_go(anna)
    assert await home.eraser().erase(Leaving(anna, SETTLED))
    await home.require_gone(anna)
    assert home.keys.erased[0] == anna
    assert before == (await home.rows_of(bert), await home.types_of(bert), len(home.objects_of(bert)))
    assert bert not in home.keys.erased


async def test_every_revision_of_a_transcript_is_gone_not_only_the_last(home: Household) -> None:
    anna = await home.has_lived("anna", ["edited"])
    of_edited = transcription_id_of(identity("anna's edited"))
    kept = [
        f"transcripts/{anna}/{of_edited}/{revision}.json" for revision in ("first", "second", "unnamed")
    ]
    for key in kept:
        await home.objects.put(key, b"{}")
    await home.wants_to_go(anna)
    await home.eraser().erase(Leaving(anna, SETTLED))
    assert [key for key in kept if await home.objects.exists(key)] == []


async def test_what_is_at_work_is_cancelled_and_its_minutes_are_released(home: Household) -> None:
    anna = await home.has_lived("anna", ["queued", "processing"])
    await home.wants_to_go(anna)
    await home.eraser().erase(Leaving(anna, SETTLED))
    types = await home.types_of(anna)
    assert (types.count("TranscriptionCancelled"), types.count("QuotaReleased")) == (2, 2)
    events: Any = await home.store.read_stream(QUOTA.stream_id(anna))
    assert QUOTA.fold(events).minutes_reserved == 0
    for end in ("queued", "processing"):
        job = transcription_id_of(identity(f"anna's {end}"))
        with pytest.raises(StaleAttempt):
            await start_transcription(job, WORKER, NOON, home.store, PROVENANCE)


async def test_the_request_comes_first_and_the_end_last(home: Household) -> None:
    anna = await home.has_lived("anna")
    lived = len(await home.types_of(anna))
    await home.wants_to_go(anna)
    await home.eraser().erase(Leaving(anna, SETTLED))
    news = (await home.types_of(anna))[lived:]
    assert (news[0], news[-1]) == ("UserErasureRequested", "UserErased")
    assert {"UserErasureRequested", "UserErased"}.isdisjoint(news[1:-1])


async def test_all_that_is_done_names_the_request_as_its_cause(home: Household) -> None:
    anna = await home.has_lived("anna")
    lived = len(await home.types_of(anna))
    await home.wants_to_go(anna)
    await home.eraser().erase(Leaving(anna, SETTLED))
    query = "select event_id, causation_id from events where owner_id = $1 order by seq offset $2"
    asked, *others = await home.pool.fetch(query, anna, lived)
    assert {row["causation_id"] for row in others} == {asked["event_id"]}
    assert asked["causation_id"] is None


async def test_erasing_again_changes_nothing(home: Household) -> None:
    anna = await home.has_lived("anna")
    await home.wants_to_go(anna)
    await home.eraser().erase(Leaving(anna, SETTLED))
    types = await home.types_of(anna)
    assert await home.eraser().erase(Leaving(anna, SETTLED))
    assert await home.types_of(anna) == types
    assert types.count("UserErased") == 1


async def test_two_who_erase_the_same_person_at_once_do_no_harm(home: Household) -> None:
    anna = await home.has_lived("anna")
    await home.wants_to_go(anna)
    await asyncio.gather(*(home.eraser().erase(Leaving(anna, SETTLED)) for _ in range(3)))
    await home.require_gone(anna)
    types = await home.types_of(anna)
    assert types.count("UserErased") == 1
    assert types.count("FileDeleted") == types.count("FileUploaded")


async def test_a_rebuilt_read_model_is_the_live_one(home: Household) -> None:
    anna = await home.has_lived("anna")
    await home.has_lived("bert")
    await home.rows_of(anna)
    await home.wants_to_go(anna)
    await home.eraser().erase(Leaving(anna, SETTLED))
    await home.require_gone(anna)
    live = await contents(home.pool)
    async with home.pool.acquire() as connection:
        for projection in READ_MODELS.values():
            await rebuild(connection, home.log, projection, home.reading, lambda _folded, _there: None)
    assert await contents(home.pool) == live


async def test_an_address_is_free_again_once_it_is_forgotten_and_whoever_takes_it_is_somebody_new(
    home: Household,
) -> None:
    anna = await home.has_lived("anna", [])
    await home.wants_to_go(anna)
    with pytest.raises(EmailTaken):
        await home.registers("anna@example.com")
    await home.eraser().erase(Leaving(anna, SETTLED))
    new = await home.registers("anna@example.com")
    assert new != anna
    found = await home.credentials.find("anna@example.com")
    assert found is not None
    assert (found.user_id, found.leaves) == (new, False)


async def test_nobody_is_erased_before_what_they_did_has_arrived(home: Household) -> None:
    anna = await home.has_lived("anna")
    kept = await home.keys.of([anna])
    await home.wants_to_go(anna)
    eraser = home.eraser(ErasureLimits(settle_seconds=60.0))
    assert not await eraser.erase(Leaving(anna, 59.0))
    assert home.objects_of(anna) == []
    assert (await home.types_of(anna))[-1] != "UserErased"
    await home.objects.put(f"media/{anna}/late/x", b"from a process that was slow")
    late = StreamAppend(
        stream_id=MEDIA_FILE.stream_id(identity("late")),
        owner_id=anna,
        expected_version=0,
        events=[uploaded(user_id=anna, file_id=identity("late"))],
    )
    with pytest.raises(PersonErased):
        await home.store.append([late], PROVENANCE)
    async with PostgresEventStore(home.pool, PARTITION_COUNT, Kept(kept)) as slow:
        await slow.append([late], PROVENANCE)
    assert await eraser.erase(Leaving(anna, 61.0))
    await home.require_gone(anna)


async def test_nobody_is_erased_while_a_worker_may_have_their_recording(home: Household) -> None:
    anna = await home.has_lived("anna", ["processing"])
    await home.lease("anna's processing", anna, seconds=3600)
    await home.wants_to_go(anna)
    assert not await home.eraser().erase(Leaving(anna, SETTLED))
    await home.objects.put(f"windows/{anna}/x/0.json", b"heard meanwhile")
    await home.lease("anna's processing", anna, seconds=-1)
    assert await home.eraser().erase(Leaving(anna, SETTLED))
    await home.require_gone(anna)


async def test_what_comes_after_somebody_was_erased_is_taken_away(home: Household) -> None:
    anna = await home.has_lived("anna")
    await home.wants_to_go(anna)
    await home.eraser().erase(Leaving(anna, SETTLED))
    await home.objects.put(f"transcripts/{anna}/x/y.json", b"from a worker that was frozen")
    home.keys.erased.clear()
    await run_until(home, lambda: not home.objects_of(anna))
    assert home.keys.erased[0] == anna


async def test_a_key_that_came_back_with_a_backup_is_erased_again(home: Household) -> None:
    anna, bert, carl = [await home.has_lived(name, ["completed"]) for name in ("anna", "bert", "carl")]
    await home.pool.execute("create table backup as table person_keys")
    for user_id in (anna, bert):
        await home.wants_to_go(user_id)
        await home.eraser().erase(Leaving(user_id, SETTLED))
    await home.pool.execute("update credentials set erased_at = erased_at - interval '1 year'")
    await home.pool.execute("truncate person_keys")
    await home.pool.execute("insert into person_keys select * from backup where owner_id <> $1", bert)
    home.keys.forget_all()
    assert (await home.keys.of([anna]))[anna] is not None
    await run_until(home, lambda: are_erased(home, anna, bert))
    assert (await home.keys.of([anna, bert])) == {anna: None, bert: None}
    assert (await home.keys.of([carl]))[carl] is not None


async def are_erased(home: Household, *user_ids: UUID) -> bool:
    query = "select count(*) from person_keys where owner_id = any ($1) and erased_at is not null"
    return bool(await home.pool.fetchval(query, user_ids) == len(user_ids))


async def test_credentials_that_came_back_with_a_backup_are_erased_again(home: Household) -> None:
    anna, bert = [await home.has_lived(name, ["completed"]) for name in ("anna", "bert")]
    await home.pool.execute("create table backup as table credentials")
    await home.wants_to_go(anna)
    await home.eraser().erase(Leaving(anna, SETTLED))
    await home.pool.execute("truncate credentials")
    await home.pool.execute("insert into credentials select * from backup")
    assert await home.credentials.find("anna@example.com") is not None

    async def is_forgotten() -> bool:
        query = "select count(*) from credentials where user_id = $1 and email is null and erased_at is not null"
        return bool(await home.pool.fetchval(query, anna))

    await run_until(home, is_forgotten)
    assert await home.credentials.find("anna@example.com") is None
    assert await home.credentials.find("bert@example.com") is not None
    assert (await home.types_of(anna)).count("UserErased") == 1
    assert await home.rows_of(bert) > 0


async def test_who_cannot_be_read_any_more_is_erased_all_the_same(home: Household) -> None:
    anna = await home.has_lived("anna", ["processing"])
    await home.wants_to_go(anna)
    await home.pool.execute("delete from person_keys where owner_id = $1", anna)
    home.keys.forget_all()
    assert await home.eraser().erase(Leaving(anna, SETTLED))
    await home.require_gone(anna)


async def run_until(home: Household, satisfied: Any, **others: Any) -> None:
    async def is_so() -> bool:
        answer = satisfied()
        return bool(await answer if asyncio.iscoroutine(answer) else answer)

    running = asyncio.create_task(home.eraser(**others).run())
    try:
        await until(is_so)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_whoever_asks_is_erased_and_those_who_asked_before(home: Household) -> None:
    people = [await home.has_lived(name, ["completed"]) for name in ("anna", "bert")]
    await home.has_lived("carl", ["completed"])
    for user_id in people:
        await home.wants_to_go(user_id)
    await run_until(home, lambda: is_done(home))
    for user_id in people:
        await home.require_gone(user_id)
    assert "UserErased" not in await home.types_of(identity("carl"))


async def is_done(home: Household) -> bool:
    return not await PostgresErasures(home.pool).under_way()


async def test_an_erasure_goes_on_once_the_object_store_is_back(home: Household) -> None:
    anna = await home.has_lived("anna", ["completed"])
    await home.wants_to_go(anna)
    away = AwayStore(home.objects)
    away.failures = 5
    await run_until(home, lambda: is_done(home), objects=away)
    assert away.failed == 5
    await home.require_gone(anna)


async def test_what_goes_wrong_with_one_keeps_nobody_else_waiting(
    home: Household, caplog: pytest.LogCaptureFixture
) -> None:
    anna, bert = [await home.has_lived(name, ["completed"]) for name in ("anna", "bert")]

    class Broken:
        async def erase(self, owner_id: UUID) -> None:
            if owner_id == anna:
                raise ValueError("nobody foresaw this")
            await home.keys.erase(owner_id)

    for user_id in (anna, bert):
        await home.wants_to_go(user_id)

    async def is_bert_gone() -> bool:
        return "UserErased" in await home.types_of(bert)

    with caplog.at_level(logging.WARNING):
        await run_until(home, is_bert_gone, keys=Broken())
    assert f"user {anna} could not be erased" in caplog.text
    assert "UserErased" not in await home.types_of(anna)
    await run_until(home, lambda: is_done(home))
    await home.require_gone(anna)


async def test_an_upload_that_comes_too_late_is_refused_and_leaves_no_object(
    home: Household, tmp_path: Path
) -> None:
    anna = await home.has_lived("anna", [])
    await home.wants_to_go(anna)
    (tmp_path / "talk").write_bytes(b"talk")
    file = uploaded(user_id=anna, file_id=uuid4())
    command = RecordUpload(**{name: getattr(file, name) for name in RecordUpload.__struct_fields__})
    with pytest.raises(PersonErased):
        await record_upload(command, tmp_path / "talk", home.store, home.objects, PROVENANCE)
    assert not await home.objects.exists(command.media_key)
    assert "FileUploaded" not in await home.types_of(anna)


async def test_a_hundred_who_ask_at_once_ask_once(home: Household) -> None:
    anna = await home.has_lived("anna", [])
    await asyncio.gather(*(home.wants_to_go(anna) for _ in range(100)))
    assert (await home.types_of(anna)).count("UserErasureRequested") == 1
    [leaving] = await PostgresErasures(home.pool).under_way()
    assert leaving.user_id == anna
