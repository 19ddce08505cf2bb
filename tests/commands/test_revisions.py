"""Revisions: whoever says which one they mean loses no edit, and an earlier one can come back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from commands.edit_transcript import ChangeText, edit_transcript
from commands.lines import Lines
from commands.restore_revision import RestoreRevision, restore_revision
from commands.revising import Revised
from commands.reword_transcript import ChangeWord, ReplaceText, change_word, replace_text
from commands.turns import TooManyAtOnce
from domain.errors import NotOwner, PersonErased, RevisionChanged, TranscriptMissing
from domain.revisions import Revision
from domain.rewording import Replacement
from domain.user import USER
from infrastructure.memory import InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from schemas.objects import decode_transcript
from tests.builders import ANNA, BERT, LATER, erasure_requested, identity, registered
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import HEARD, current, happened, heard, revisions

CALLERS = 100


class Editor:
    """Who edits Anna's transcript, and as whom."""

    def __init__(self, store: InMemoryEventStore, objects: FolderObjectStore) -> None:
        self.store = store
        self.objects = objects

    async def edits(self, text: str, *expected: str, user_id: UUID = ANNA) -> Revised:
        change = ChangeText(
            transcription_id=TRANSCRIPTION_ID,
            user_id=user_id,
            text=text,
            changed_at=LATER,
            expected=frozenset(expected) if expected else None,
        )
        return await edit_transcript(change, self.store, self.objects, PROVENANCE)

    async def restores(self, revision: Revision, *expected: str) -> Revised:
        restoring = RestoreRevision(
            transcription_id=TRANSCRIPTION_ID,
            user_id=ANNA,
            revision=revision,
            restored_at=LATER,
            expected=frozenset(expected) if expected else None,
        )
        return await restore_revision(restoring, self.store, self.objects, PROVENANCE)

    async def changes_word(self, revision: Revision, index: int, text: str, *expected: str) -> Revised:
        change = ChangeWord(
            transcription_id=TRANSCRIPTION_ID,
            user_id=ANNA,
            revision=revision,
            index=index,
            text=text,
            changed_at=LATER,
            expected=frozenset(expected) if expected else None,
        )
        return await change_word(change, self.store, self.objects, PROVENANCE)

    async def replaces(self, find: str, replace_with: str, *expected: str) -> tuple[int, Revised]:
        change = ReplaceText(
            transcription_id=TRANSCRIPTION_ID,
            user_id=ANNA,
            replacement=Replacement(find=find, replace_with=replace_with),
            changed_at=LATER,
            expected=frozenset(expected) if expected else None,
        )
        done = await replace_text(change, self.store, self.objects, PROVENANCE)
        return done.count, done.revised

    async def text(self) -> str:
        return (await current(self.store, self.objects)).text

    async def text_of(self, revision: Revision) -> str:
        return decode_transcript(await self.objects.get(revision.transcript_key)).text


@pytest.fixture
async def editor(store: InMemoryEventStore, objects: FolderObjectStore) -> Editor:
    """Of a transcript that says "Hello word"."""
    await heard(store, objects)
    return Editor(store, objects)


def objects_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def first_of(editor: Editor) -> Revision:
    return (await revisions(editor.store))[0]


async def test_of_a_hundred_edits_of_one_revision_one_is_made_and_all_others_are_told(
    editor: Editor,
) -> None:
    tag = (await first_of(editor)).tag
    answers = await asyncio.gather(
        *(editor.edits(f"Hello {number}", tag) for number in range(CALLERS)), return_exceptions=True
    )
    made = [answer for answer in answers if isinstance(answer, Revised)]
    refused = [answer for answer in answers if isinstance(answer, RevisionChanged)]
    assert (len(made), len(refused)) == (1, CALLERS - 1)
    assert {(each.revision, each.tag) for each in refused} == {(2, made[0].tag)}
    assert len(await revisions(editor.store)) == 2


async def test_without_a_revision_a_hundred_edits_are_a_hundred_revisions(editor: Editor) -> None:
    answers = await asyncio.gather(*(editor.edits(f"Hello {number}") for number in range(CALLERS)))
    assert sorted(answer.revision for answer in answers) == list(range(2, CALLERS + 2))
    assert [each.tag for each in (await revisions(editor.store))[1:]] == [
        answer.tag for answer in sorted(answers, key=lambda answer: answer.revision)
    ]


async def test_an_edit_that_is_refused_stores_nothing(editor: Editor, tmp_path: Path) -> None:
    await editor.edits("Hello world")
    before = objects_in(tmp_path)
    with pytest.raises(RevisionChanged):
        await editor.edits("Hello you", (await first_of(editor)).tag)
    assert objects_in(tmp_path) == before


async def test_an_earlier_revision_comes_back_as_it_was(editor: Editor) -> None:
    await editor.edits("Hello world")
    answer = await editor.restores(await first_of(editor))
    assert answer.revision == 3
    assert await current(editor.store, editor.objects) == HEARD
    assert [(each.making, each.restored_revision) for each in await revisions(editor.store)] == [
        ("heard", None),
        ("edited", None),
        ("restored", 1),
    ]


async def test_to_restore_what_is_there_changes_nothing(editor: Editor) -> None:
    answer = await editor.restores(await first_of(editor))
    assert (answer.address, answer.revision) == (None, 1)


async def test_a_hundred_who_restore_one_revision_make_one(editor: Editor) -> None:
    await editor.edits("Hello world")
    first = await first_of(editor)
    answers = await asyncio.gather(*(editor.restores(first) for _ in range(CALLERS)))
    assert {answer.revision for answer in answers} == {3}
    assert len(await revisions(editor.store)) == 3


async def test_a_revision_that_was_changed_meanwhile_is_not_restored_over(editor: Editor) -> None:
    first = await first_of(editor)
    await editor.edits("Hello world")
    with pytest.raises(RevisionChanged):
        await editor.restores(first, first.tag)


async def test_a_revision_whose_object_is_lost_is_not_restored(editor: Editor) -> None:
    await editor.edits("Hello world")
    first = await first_of(editor)
    await editor.objects.delete(first.transcript_key)
    with pytest.raises(TranscriptMissing):
        await editor.restores(first)
    assert len(await revisions(editor.store)) == 2


async def test_a_word_of_the_current_revision_is_written_anew(editor: Editor) -> None:
    answer = await editor.changes_word(await first_of(editor), 1, "world")
    assert answer.revision == 2
    assert await editor.text() == "Hello world"


async def test_a_word_of_an_earlier_revision_is_not_written_anew(editor: Editor) -> None:
    first = await first_of(editor)
    await editor.edits("Hello there word")
    with pytest.raises(RevisionChanged):
        await editor.changes_word(first, 1, "world")
    assert await editor.text() == "Hello there word"


async def test_a_word_that_is_written_anew_twice_is_one_revision(editor: Editor) -> None:
    first = await first_of(editor)
    answers = [await editor.changes_word(first, 1, "world") for _ in range(2)]
    assert [answer.revision for answer in answers] == [2, 2]
    assert len(await revisions(editor.store)) == 2


async def test_a_word_of_another_revision_than_expected_is_not_written_anew(editor: Editor) -> None:
    with pytest.raises(RevisionChanged):
        await editor.changes_word(await first_of(editor), 1, "world", "9-other")


async def test_of_a_hundred_words_of_one_revision_one_is_written(editor: Editor) -> None:
    first = await first_of(editor)
    answers = await asyncio.gather(
        *(editor.changes_word(first, 1, f"world{number}") for number in range(CALLERS)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Revised) for answer in answers) == 1
    assert sum(isinstance(answer, RevisionChanged) for answer in answers) == CALLERS - 1


async def test_a_text_is_replaced_throughout_and_counted(editor: Editor) -> None:
    await editor.edits("Jon met Jon, not Jonathan")
    count, answer = await editor.replaces("Jon", "John")
    assert (count, answer.revision) == (2, 3)
    assert await editor.text() == "John met John, not Jonathan"


async def test_a_text_that_is_nowhere_is_replaced_nowhere(editor: Editor) -> None:
    count, answer = await editor.replaces("Jon", "John")
    assert (count, answer.address, answer.revision) == (0, None, 1)


async def test_a_hundred_replacements_at_once_are_all_made(editor: Editor) -> None:
    """Each in the text that the one before left: none is lost, and none is refused."""
    await editor.edits(" ".join(f"w{number}" for number in range(CALLERS)))
    answers = await asyncio.gather(
        *(editor.replaces(f"w{number}", f"v{number}") for number in range(CALLERS))
    )
    assert {count for count, _ in answers} == {1}
    assert await editor.text() == " ".join(f"v{number}" for number in range(CALLERS))
    assert len({answer.revision for _, answer in answers}) == CALLERS


async def test_replacements_and_edits_at_once_lose_nothing_that_was_replaced(editor: Editor) -> None:
    """An edit in between has its revision; the replacement is made in the text that it left."""
    await editor.edits("Jon and Jon")
    edits = asyncio.gather(*(editor.edits(f"Jon and Jon {number}") for number in range(20)))
    count, answer = await editor.replaces("Jon", "John")
    await edits
    before, made = (await revisions(editor.store))[answer.revision - 2 : answer.revision]
    assert count == 2
    assert await editor.text_of(made) == (await editor.text_of(before)).replace("Jon", "John")


async def test_a_replacement_in_another_revision_than_expected_is_refused(editor: Editor) -> None:
    first = await first_of(editor)
    await editor.edits("Jon")
    with pytest.raises(RevisionChanged):
        await editor.replaces("Jon", "John", first.tag)


async def test_nobody_rewords_or_restores_what_is_anothers(editor: Editor) -> None:
    with pytest.raises(NotOwner):
        await editor.edits("x", user_id=BERT)


@pytest.mark.parametrize(
    "change",
    [
        lambda editor, _: editor.edits("x"),
        lambda editor, _: editor.replaces("Hello", "x"),
        lambda editor, first: editor.restores(first),
        lambda editor, first: editor.changes_word(first, 0, "x"),
    ],
)
async def test_who_has_asked_to_be_erased_changes_nothing(
    editor: Editor, change: Callable[[Editor, Revision], Awaitable[object]]
) -> None:
    first = await first_of(editor)
    await happened(editor.store, USER.stream_id(ANNA), registered(), erasure_requested())
    with pytest.raises(PersonErased):
        await change(editor, first)


async def test_whoever_waits_too_long_or_finds_too_many_waiting_is_told_to_come_back() -> None:
    lines, subject = Lines(seconds_max=0.01, waiting_max=1), identity("subject")
    async with lines.turn(subject):
        with pytest.raises(TooManyAtOnce):
            async with lines.turn(subject):
                raise AssertionError("two at once")
    full, entered = Lines(seconds_max=10, waiting_max=1), asyncio.Event()

    async def waits() -> None:
        async with full.turn(subject):
            entered.set()

    async with full.turn(subject):
        waiting = asyncio.create_task(waits())
        await asyncio.sleep(0)
        with pytest.raises(TooManyAtOnce):
            async with full.turn(subject):
                raise AssertionError("more than may wait")
        assert not entered.is_set()
        async with full.turn(identity("another")):
            """Nobody else is kept waiting."""
    await waiting
    assert entered.is_set()
