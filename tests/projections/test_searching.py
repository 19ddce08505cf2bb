"""Searching what was said: by words in their language, by signs, in one's own transcripts alone, and only in what is there now."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from dispatcher.erasing import ErasureLimits
from dispatcher.ports import Leaving
from domain.transcript import Segment, Transcript, Word, transcript_of
from domain.transcript_keys import transcript_key
from domain.transcription import transcription_id_of
from projections.indexing import Indexer, IndexingLimits
from projections.passages import question_of
from projections.rebuild import rebuild
from projections.searching import BEGINNING, Found, RankCursor, decode_rank_cursor, search, standing_of
from projections.spoken import SPOKEN
from projections.spoken_index import SpokenIndex
from schemas.objects import encode_transcript
from tests import builders as b
from tests.dispatcher.household import Household, household
from tests.infrastructure.object_store.away import AwayStore
from tests.infrastructure.postgres.database import fresh_database
from tests.projections.lives import happened
from tests.projections.running import project_all, until
from tests.stack.servers import Database

ANNA, BERT = b.identity("anna"), b.identity("bert")
QUICK = IndexingLimits(look_seconds=0.01, pause_seconds=0.0, outage_seconds=0.01, retry_seconds=0.0)


@dataclass(frozen=True, slots=True)
class Library:
    """People who say things, and whoever indexes and searches them."""

    home: Household

    async def says(self, name: str, text: str, *, language: str = "en", by: UUID = ANNA) -> UUID:
        """A transcription in which every word takes a second; returns its id."""
        file_id = b.identity(name)
        transcription_id = transcription_id_of(file_id)
        ids: dict[str, Any] = {"user_id": by, "transcription_id": transcription_id}
        result = await self.stored(transcription_id, text, language, by)
        await happened(self.home.store, by, b.uploaded(user_id=by, file_id=file_id))
        await happened(self.home.store, by, replace(b.requested(), job=b.job(file_id=file_id), **ids))
        await happened(self.home.store, by, replace(b.started(), **ids))
        await happened(self.home.store, by, replace(b.completed(), result=result, **ids))
        return transcription_id

    async def stored(self, transcription_id: UUID, text: str, language: str, by: UUID) -> Any:
        content, sha256 = encode_transcript(heard(text, language))
        key = transcript_key(by, transcription_id, sha256)
        await self.home.objects.put(key, content)
        return replace(b.result(), transcript_key=key, transcript_sha256=sha256, language=language)

    async def edits(self, transcription_id: UUID, text: str, *, by: UUID = ANNA) -> None:
        result = await self.stored(transcription_id, text, "en", by)
        edited = replace(
            b.edited(),
            user_id=by,
            transcription_id=transcription_id,
            transcript_key=result.transcript_key,
            transcript_sha256=result.transcript_sha256,
        )
        await happened(self.home.store, by, edited)

    async def aligns(self, transcription_id: UUID, text: str, *, by: UUID = ANNA) -> None:
        """Every word takes a second here too."""
        result = await self.stored(transcription_id, text, "en", by)
        aligned = replace(
            b.transcript_aligned(),
            user_id=by,
            transcription_id=transcription_id,
            transcript_key=result.transcript_key,
            transcript_sha256=result.transcript_sha256,
        )
        await happened(self.home.store, by, aligned)

    def indexer(self, objects: Any = None) -> Indexer:
        return Indexer(SpokenIndex(self.home.pool), objects or self.home.objects, asyncio.Event(), QUICK)

    async def index(self) -> None:
        await project_all(self.home.pool, self.home.log, self.home.reading)
        while await self.indexer().index_due():
            pass

    async def finds(
        self, text: str, *, by: UUID = ANNA, size: int = 10, after: RankCursor = BEGINNING
    ) -> list[Found]:
        async with self.home.pool.acquire() as connection:
            return await search(connection, by, question_of(text), size, after)

    async def passages(self, by: UUID = ANNA) -> int:
        query = "select count(*) from spoken_passages where user_id = $1"
        return int(await self.home.pool.fetchval(query, by))


def heard(text: str, language: str) -> Transcript:
    words = [
        Word(text=f" {word}", start_ms=1_000 * number, end_ms=1_000 * number + 900)
        for number, word in enumerate(text.split())
    ]
    segments = [Segment(words=tuple(words[first : first + 10])) for first in range(0, len(words), 10)]
    return transcript_of(segments, language=language, duration_ms=1_000 * len(words))


@pytest.fixture
async def library(postgres: Database, tmp_path: Path) -> AsyncIterator[Library]:
    async with fresh_database(postgres) as url, household(url, tmp_path / "objects") as home:
        for name in ("anna", "bert"):
            await home.registers(f"{name}@example.com", b.identity(name))
        yield Library(home)


def ids(found: Sequence[Found]) -> list[UUID]:
    return [each.transcription_id for each in found]


def marked(found: Found) -> list[str]:
    return [part.text for snippet in found.snippets for part in snippet.parts if part.match]


async def test_a_word_is_found_in_all_its_forms_with_its_time(library: Library) -> None:
    talk = await library.says("talk", "We were meeting about three budgets in Århus")
    await library.says("other", "Nothing of the kind")
    await library.index()
    [found] = await library.finds("budget meetings")
    assert (found.transcription_id, found.filename) == (talk, "talk.mp3")
    assert marked(found) == ["meeting", "budgets"]
    assert found.snippets[0].start_ms == 2_000
    [found] = await library.finds("ÅRHUS")
    assert (marked(found), found.snippets[0].start_ms) == (["Århus"], 7_000)


@pytest.mark.parametrize(
    ("language", "said", "asked", "shown"),
    [
        ("de", "Die Häuser der Städte", "haus stadt", ["Häuser", "Städte"]),
        ("fr", "Elles parlaient des chansons", "parler chanson", ["parlaient", "chansons"]),
        ("tlh", "nuqneH qaStaH", "QASTAH", ["qaStaH"]),
        ("ja", "今日の会議室は三階です", "会議室", ["会議室"]),
        ("ja", "今日の会議室は三階です", "階", ["階"]),
        ("zh", "我们明天在北京开会", "北京", ["北京"]),
        ("th", "สวัสดีครับทุกคน", "ครับ", ["ครับ"]),
        ("ko", "내일 회의를 합니다", "회의", ["회의"]),
        ("zh", "我们用 Python 编程", "python 编程", ["Python", "编程"]),
    ],
)
async def test_every_language_is_found_in_its_own_way(
    library: Library, language: str, said: str, asked: str, shown: list[str]
) -> None:
    talk = await library.says("talk", said, language=language)
    await library.index()
    [found] = await library.finds(asked)
    assert (found.transcription_id, marked(found)) == (talk, shown)


async def test_signs_that_do_not_follow_one_another_are_not_found(library: Library) -> None:
    await library.says("talk", "会社の議長は室内にいる", language="ja")
    await library.index()
    assert await library.finds("会議室") == []


async def test_a_question_is_in_the_words_of_a_search_engine(library: Library) -> None:
    both = await library.says("both", "the quick brown fox jumps")
    one = await library.says("one", "a brown and quick dog")
    await library.index()
    assert set(ids(await library.finds("quick brown"))) == {both, one}
    assert ids(await library.finds('"quick brown"')) == [both]
    assert ids(await library.finds("quick -fox")) == [one]
    assert set(ids(await library.finds("fox or dog"))) == {both, one}
    assert await library.finds("fox dog") == []
    assert await library.finds("the") == []
    assert await library.finds("'; drop table spoken; -- \\ :* & | ! ( <->") == []


async def test_a_question_is_the_same_in_scripts_without_spaces(library: Library) -> None:
    tokyo = await library.says("tokyo", "東京タワーに行く", language="ja")
    osaka = await library.says("osaka", "大阪城に行く", language="ja")
    await library.index()
    assert set(ids(await library.finds("東京 or 大阪"))) == {tokyo, osaka}
    assert ids(await library.finds("東京-タワー")) == [tokyo]
    assert ids(await library.finds('行く -"東京 タワー"')) == [osaka]
    assert ids(await library.finds("名古屋 or 大阪 城")) == [osaka]


@pytest.mark.parametrize(
    ("said", "asked", "shown"),
    [
        ("the read/write head", "write", ["write"]),
        ("the read/write head", "read/write", ["read", "write"]),
        ("the end.Then we went", "then went", ["went"]),
        ("go to www.example.com now", "example", ["example"]),
        ("go to example.com now", "example.com -example.org", ["example", "com"]),
        ("write to anna2@example.com now", "anna2", ["anna2"]),
        ("about 3.5 percent", "3.5", ["3.5"]),
    ],
)
async def test_words_with_no_space_between_them_are_found_each(
    library: Library, said: str, asked: str, shown: list[str]
) -> None:
    talk = await library.says("talk", said)
    await library.index()
    [found] = await library.finds(asked)
    assert (found.transcription_id, marked(found)) == (talk, shown)


async def test_a_text_of_one_long_word_is_indexed(library: Library) -> None:
    signs = "".join(chr(0xAC00 + (7 * at * at + at) % 11_000) for at in range(250_000))
    talk = await library.says("talk", signs, language="ko")
    await library.index()
    assert ids(await library.finds(signs[200_000:200_004])) == [talk]


async def test_who_says_it_more_often_comes_first_and_pages_follow_one_another(library: Library) -> None:
    said = [await library.says(f"talk {n}", "budget " * (n + 1) + "and so on") for n in range(5)]
    await library.says("same", "budget " * 3 + "and so on")
    await library.index()
    whole = ids(await library.finds("budget"))
    assert (len(whole), whole[0], whole[-1]) == (6, said[4], said[0])
    pages: list[UUID] = []
    after = BEGINNING
    while page := await library.finds("budget", size=2, after=after):
        pages += ids(page)
        after = decode_rank_cursor(page[-1].cursor.encode())
    assert pages == whole


async def test_nobody_finds_what_another_said(library: Library) -> None:
    await library.says("talk", "a secret about quokkas", by=BERT)
    await library.index()
    assert await library.finds("quokkas") == []
    assert len(await library.finds("quokkas", by=BERT)) == 1


async def test_an_edit_takes_the_place_of_what_was_there(library: Library) -> None:
    talk = await library.says("talk", "the budget of the meeting")
    await library.index()
    await library.edits(talk, "the marmalade of the meeting")
    await project_all(library.home.pool, library.home.log, library.home.reading)
    assert await library.finds("budget") == []
    await library.index()
    assert await library.finds("budget") == []
    assert ids(await library.finds("marmalade")) == [talk]


async def test_words_that_were_found_in_the_sound_are_found_with_their_new_times(library: Library) -> None:
    talk = await library.says("talk", "the budget of the meeting")
    await library.index()
    await library.aligns(talk, "um the budget of the meeting")
    await library.index()
    [found] = await library.finds("budget")
    assert found.snippets[0].start_ms == 2_000


async def test_what_is_deleted_is_not_found_and_nothing_of_it_stays(library: Library) -> None:
    talk = await library.says("talk", "the budget of the meeting")
    await library.says("other", "no budget at all")
    await library.index()
    deleted = replace(b.deleted(), user_id=ANNA, transcription_id=talk)
    await happened(library.home.store, ANNA, deleted)
    await project_all(library.home.pool, library.home.log, library.home.reading)
    assert len(await library.finds("budget")) == 1
    query = "select count(*) from spoken_passages where transcription_id = $1"
    assert await library.home.pool.fetchval(query, talk) == 0


async def test_nothing_is_left_of_who_is_erased_also_where_the_projector_is_late(library: Library) -> None:
    await library.says("talk", "the budget of the meeting")
    await library.says("other", "no budget", by=BERT)
    await library.index()
    await library.home.wants_to_go(ANNA)
    await library.home.eraser(ErasureLimits(settle_seconds=0.0)).erase(Leaving(ANNA, 1_000.0))
    assert (await library.passages(), await library.passages(BERT)) == (0, 1)


async def test_who_leaves_is_not_indexed_any_more(library: Library) -> None:
    await library.says("talk", "the budget of the meeting")
    await project_all(library.home.pool, library.home.log, library.home.reading)
    await library.home.wants_to_go(ANNA)
    assert not await library.indexer().index_due()
    assert await library.passages() == 0


async def test_what_was_being_indexed_while_its_transcription_was_deleted_goes(library: Library) -> None:
    talk = await library.says("talk", "the budget of the meeting")
    await library.index()
    await library.home.pool.execute("delete from spoken where id = $1", talk)
    assert await library.finds("budget") == []
    await SpokenIndex(library.home.pool).sweep()
    assert await library.passages() == 0


async def test_a_rebuild_indexes_everything_again_while_everything_is_found(library: Library) -> None:
    talk = await library.says("talk", "the budget of the meeting")
    gone = await library.says("gone", "another budget")
    await library.index()
    await happened(library.home.store, ANNA, replace(b.deleted(), user_id=ANNA, transcription_id=gone))
    await project_all(library.home.pool, library.home.log, library.home.reading)
    async with library.home.pool.acquire() as connection:
        await rebuild(connection, library.home.log, SPOKEN, library.home.reading, lambda _f, _t: None)
    assert ids(await library.finds("budget")) == [talk]
    await library.home.pool.execute("update spoken_passages set text = 'damaged', lexemes = ''")
    await library.index()
    assert ids(await library.finds("budget")) == [talk]
    assert await library.passages() == 1


async def test_while_the_object_store_is_away_read_models_go_on_and_then_it_is_indexed(
    library: Library,
) -> None:
    away = AwayStore(library.home.objects)
    away.failures = 3
    indexing = asyncio.create_task(library.indexer(away).run())
    try:
        talk = await library.says("talk", "the budget of the meeting")
        await project_all(library.home.pool, library.home.log, library.home.reading)
        await until(lambda: is_found(library, "budget", talk))
    finally:
        indexing.cancel()
        await asyncio.wait([indexing])
    assert away.failed == 3


async def is_found(library: Library, text: str, transcription_id: UUID) -> bool:
    return transcription_id in ids(await library.finds(text))


async def test_a_transcript_that_is_lost_keeps_no_other_waiting(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    lost = await library.says("lost", "the budget of a lost talk")
    for path in library.home.objects_of(ANNA):
        path.unlink()
    talk = await library.says("talk", "the budget of the meeting")
    await project_all(library.home.pool, library.home.log, library.home.reading)
    await library.indexer().index_due()
    assert ids(await library.finds("budget")) == [talk]
    assert f"the transcript of {lost} cannot be searched for now: ObjectMissing" in caplog.text


async def test_no_word_that_was_said_is_logged(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await library.says("talk", "quokkas " + "x" * 5_000 + " \0\x02 <b>marmalade</b> \U0001f3f4")
        await library.index()
        await library.finds("quokkas marmalade")
        assert len(await library.finds("marmalade")) == 1
    assert "quokka" not in caplog.text
    assert "marmalade" not in caplog.text


async def test_several_who_index_at_once_index_each_transcript_once(library: Library) -> None:
    said = [await library.says(f"talk {n}", f"the budget of meeting {n}") for n in range(12)]
    await project_all(library.home.pool, library.home.log, library.home.reading)

    async def index_all() -> None:
        while await library.indexer().index_due():
            pass

    await asyncio.gather(*(index_all() for _ in range(4)))
    assert set(ids(await library.finds("budget", size=20))) == set(said)
    assert await library.passages() == 12


async def test_what_a_killed_process_had_in_hand_is_indexed_by_another(library: Library) -> None:
    talk = await library.says("talk", "the budget of the meeting")
    await project_all(library.home.pool, library.home.log, library.home.reading)
    index = SpokenIndex(library.home.pool)
    assert len(await index.claim(10, 3600.0)) == 1
    assert not await library.indexer().index_due()
    await library.home.pool.execute("update spoken set claimed_until = now() - interval '1 second'")
    assert await library.indexer().index_due()
    assert ids(await library.finds("budget")) == [talk]


async def test_whoever_searches_hears_that_something_is_still_to_be_indexed(library: Library) -> None:
    await library.says("talk", "the budget of the meeting")
    await project_all(library.home.pool, library.home.log, library.home.reading)
    async with library.home.pool.acquire() as connection:
        assert (await standing_of(connection, ANNA)).is_behind
        assert not (await standing_of(connection, BERT)).is_behind
    await library.index()
    async with library.home.pool.acquire() as connection:
        assert not (await standing_of(connection, ANNA)).is_behind


async def test_hours_of_speech_are_found_at_their_time(library: Library) -> None:
    words = [f"word{n}" for n in range(20_000)]
    words[17_000] = "marmalade"
    talk = await library.says("talk", " ".join(words))
    await library.index()
    assert await library.passages() > 50
    [found] = await library.finds("marmalade")
    assert (found.transcription_id, found.snippets[0].start_ms) == (talk, 17_000_000)
