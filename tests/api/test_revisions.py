"""Revisions over HTTP: who says which one they change loses nobody's edit, and every one there was can be had."""

import hashlib
from typing import Any
from uuid import UUID, uuid4

import pytest

from commands.align_transcript import complete_alignment, start_alignment
from domain.aligning import CompleteAlignment, StartAlignment
from domain.transcript_keys import transcript_key
from tests.api.editors import edits, require_nothing_lost, war
from tests.api.rig import WORKER_SAYS, Installation, Person
from tests.builders import NOON, WORKER


@pytest.fixture
async def path(anna: Person) -> str:
    """Of a transcription that says "Hello world."."""
    return f"/transcriptions/{await anna.has_transcript()}"


async def etag_of(person: Person, path: str) -> str:
    answer = await person.client.get(f"{path}/transcript")
    assert answer.status_code == 200
    return str(answer.headers["ETag"])


async def text_of(person: Person, path: str) -> str:
    return str((await person.client.get(path)).json()["transcript_text"])


async def test_a_transcript_says_which_revision_it_is_and_who_has_it_gets_nothing_again(
    anna: Person, path: str
) -> None:
    etag = await etag_of(anna, path)
    for shown in ("transcript", "export?format=srt", "export", "revisions/1"):
        first = await anna.client.get(f"{path}/{shown}")
        told = first.headers["ETag"], first.headers["Cache-Control"]
        assert (first.status_code, *told) == (200, etag, "private, no-cache")
        again = await anna.client.get(f"{path}/{shown}", headers={"If-None-Match": f'"x", W/{etag}'})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    await edits(anna, path, "Hello you.")
    changed = await anna.client.get(f"{path}/transcript", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["revision"]) == (200, 2)
    assert changed.headers["ETag"] != etag


async def test_an_edit_names_the_revision_it_made_and_the_next_one_can_follow_it(
    anna: Person, path: str
) -> None:
    etag = await etag_of(anna, path)
    for number, text in ((2, "Hello you."), (3, "Hello all.")):
        answer = await edits(anna, path, text, etag)
        assert (answer.status_code, answer.json()["revision"]) == (200, number)
        etag = answer.headers["ETag"]
        assert etag == await etag_of(anna, path)


async def test_an_edit_of_a_revision_that_was_changed_meanwhile_is_told_what_to_do(
    anna: Person, path: str
) -> None:
    etag = await etag_of(anna, path)
    now = (await edits(anna, path, "Hello you.")).headers["ETag"]
    answer = await edits(anna, path, "Hello all.", etag)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["revision"]) == (412, "revision_changed", 2)
    assert answer.headers["ETag"] == now
    assert f"send it with If-Match: {now}" in problem["detail"]
    assert await text_of(anna, path) == "Hello you."


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        ("*", 200),
        ('"other", {etag}', 200),
        ("W/{etag}", 412),
        ('"other"', 412),
        ("1", 400),
        ("", 400),
        ('"other" {etag}', 400),
    ],
)
async def test_a_precondition_is_read_as_http_has_it(
    anna: Person, path: str, if_match: str, status: int
) -> None:
    etag = await etag_of(anna, path)
    answer = await edits(anna, path, "Hello you.", if_match.format(etag=etag))
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["field"] == "If-Match"
    assert await text_of(anna, path) == ("Hello you." if status == 200 else "Hello world.")


async def test_a_list_may_come_in_several_headers(anna: Person, path: str) -> None:
    headers = [("If-Match", '"other"'), ("If-Match", await etag_of(anna, path))]
    answer = await anna.client.put(f"{path}/text", json={"transcript_text": "x"}, headers=headers)
    assert answer.status_code == 200


async def test_an_edit_whose_answer_was_lost_may_be_sent_again(anna: Person, path: str) -> None:
    etag = await etag_of(anna, path)
    answers = [await edits(anna, path, "Hello you.", etag) for _ in range(2)]
    assert [(answer.status_code, answer.json()["revision"]) for answer in answers] == [(200, 2), (200, 2)]


async def test_in_a_war_of_twenty_editors_no_edit_is_lost_silently(anna: Person, path: str) -> None:
    await require_nothing_lost(anna, path, await war(anna, path), words_before=2)


async def test_every_revision_is_listed_newest_first_and_can_be_had(anna: Person, path: str) -> None:
    await edits(anna, path, "Hello you, wide world.")
    answer = await anna.client.get(f"{path}/revisions")
    assert [
        (each["revision"], each["made_by"], each["word_count"], "restored_revision" in each)
        for each in answer.json()
    ] == [(2, "edited", 4, False), (1, "heard", 2, False)]
    first = (await anna.client.get(f"{path}/revisions/1")).json()
    assert (first["revision"], first["transcript"]["text"]) == (1, "Hello world.")
    now = (await anna.client.get(f"{path}/revisions/2")).json()
    assert now == (await anna.client.get(f"{path}/transcript")).json()


async def test_pages_of_revisions_follow_their_links_and_have_everything_once(
    anna: Person, path: str
) -> None:
    for number in range(4):
        await edits(anna, path, f"Hello {number}.")
    seen: list[int] = []
    link = f"{path}/revisions?limit=2"
    while link:
        answer = await anna.client.get(link.removeprefix("/v1"))
        seen += [each["revision"] for each in answer.json()]
        link = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == [5, 4, 3, 2, 1]


async def test_there_are_no_revisions_before_there_is_a_transcript(anna: Person) -> None:
    queued = f"/transcriptions/{await anna.has_requested()}"
    assert (await anna.client.get(f"{queued}/revisions")).json() == []
    assert (await anna.client.get(f"{queued}/revisions/1")).json()["code"] == "revision_not_found"
    restored = await anna.client.post(f"{queued}/revisions/1/restore")
    assert restored.json()["code"] == "revision_not_found"


async def test_an_earlier_revision_is_restored_as_a_new_one(anna: Person, path: str) -> None:
    await edits(anna, path, "Hello you.")
    answer = await anna.client.post(f"{path}/revisions/1/restore")
    assert (answer.status_code, answer.json()["revision"]) == (200, 3)
    assert answer.headers["ETag"] == await etag_of(anna, path)
    assert await text_of(anna, path) == "Hello world."
    newest = (await anna.client.get(f"{path}/revisions")).json()[0]
    assert (newest["made_by"], newest["restored_revision"]) == ("restored", 1)
    told = (await anna.client.get(f"{path}/history")).json()[-1]
    assert (told["what"], told["revision"], told["restored_revision"]) == ("restored", 3, 1)
    stale = await anna.client.post(f"{path}/revisions/2/restore", headers={"If-Match": '"1-x"'})
    assert stale.status_code == 412


@pytest.mark.parametrize("number", ["0", "3", "-1", "99999999999999999999"])
async def test_a_revision_that_there_never_was_is_not_found(anna: Person, path: str, number: str) -> None:
    for answer in (
        await anna.client.get(f"{path}/revisions/{number}"),
        await anna.client.post(f"{path}/revisions/{number}/restore"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "revision_not_found")
        assert f"{path}/revisions" in answer.json()["detail"]


async def test_words_that_were_found_in_the_sound_are_a_revision_and_no_conflict(
    installation: Installation, anna: Person, path: str
) -> None:
    etag = (await edits(anna, path, "Hello big wide world.")).headers["ETag"]
    transcription_id, parts = UUID(path.rpartition("/")[2]), installation.parts
    start = StartAlignment(
        transcription_id=transcription_id, revision=2, attempt=1, worker_id=WORKER, started_at=NOON
    )
    await start_alignment(start, parts.store, WORKER_SAYS)
    content = (await anna.client.get(f"{path}/export?format=json")).text.replace("estimated", "aligned")
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    key = transcript_key(UUID(anna.user_id), transcription_id, sha256)
    await parts.objects.put(key, content.encode())
    complete = CompleteAlignment(
        transcription_id=transcription_id,
        revision=2,
        attempt=1,
        worker_id=WORKER,
        transcript_key=key,
        transcript_sha256=sha256,
        word_count=4,
        aligned_count=2,
        aligned_at=NOON,
    )
    address = await complete_alignment(complete, parts.store, WORKER_SAYS)
    assert address is not None
    assert await parts.progress.wait(address, 10)

    shown = await anna.client.get(f"{path}/transcript", headers={"If-None-Match": etag})
    words = shown.json()["transcript"]["segments"][0]["words"]
    assert (shown.json()["revision"], [word["timing"] for word in words]) == (
        3,
        ["heard", "aligned", "aligned", "heard"],
    )
    assert (await anna.client.get(f"{path}/revisions")).json()[0]["made_by"] == "aligned"
    answer = await edits(anna, path, "HELLO big wide world!", etag)
    assert (answer.status_code, answer.json()["revision"]) == (200, 4)
    words = (await anna.client.get(f"{path}/transcript")).json()["transcript"]["segments"][0]["words"]
    assert [word["timing"] for word in words] == ["heard", "aligned", "aligned", "heard"]


async def test_a_number_that_is_none_is_refused(anna: Person, path: str) -> None:
    answer = await anna.client.get(f"{path}/revisions/first")
    assert (answer.status_code, answer.json()["field"]) == (400, "number")


async def test_one_word_is_written_anew(anna: Person, path: str) -> None:
    change = {"change": "word", "revision": 1, "index": 1, "text": "you."}
    answer = await anna.client.patch(f"{path}/words", json=change)
    assert (answer.status_code, answer.json()["revision"]) == (200, 2)
    assert answer.headers["ETag"] == await etag_of(anna, path)
    words = (await anna.client.get(f"{path}/transcript")).json()["transcript"]["segments"][0]["words"]
    assert [(word["text"], word["start_ms"], word["edited"]) for word in words] == [
        ("Hello", 0, False),
        (" you.", 500, True),
    ]
    stale = await anna.client.patch(f"{path}/words", json=change | {"text": "all."})
    assert (stale.status_code, stale.json()["revision"]) == (412, 2)


async def test_a_text_is_replaced_throughout_and_the_answer_says_how_often(anna: Person, path: str) -> None:
    await edits(anna, path, "Jon met jon, and Jonathan.")
    change: dict[str, Any] = {"change": "replace", "find": "Jon", "replace_with": "John"}
    answer = await anna.client.patch(f"{path}/words", json=change)
    assert (answer.json()["replaced_count"], answer.json()["revision"]) == (1, 3)
    assert await text_of(anna, path) == "John met jon, and Jonathan."
    loose = change | {"match_case": False, "whole_words": False}
    answer = await anna.client.patch(f"{path}/words", json=loose)
    assert answer.json()["replaced_count"] == 2
    assert await text_of(anna, path) == "John met John, and Johnathan."
    nowhere = await anna.client.patch(f"{path}/words", json=change | {"find": "Ahab"})
    assert (nowhere.json()["replaced_count"], nowhere.json()["revision"]) == (0, 4)
    stale = await anna.client.patch(f"{path}/words", json=change, headers={"If-Match": '"1-x"'})
    assert stale.status_code == 412


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "change"),
        ({"change": "word", "revision": 1, "index": 1}, "text"),
        ({"change": "word", "revision": 1, "index": 2, "text": "x"}, "index"),
        ({"change": "word", "revision": 1, "index": -1, "text": "x"}, "index"),
        ({"change": "word", "revision": 0, "index": 1, "text": "x"}, "revision"),
        ({"change": "word", "revision": 1 << 70, "index": 1, "text": "x"}, None),
        ({"change": "word", "revision": 1, "index": 1, "text": "x" * 1_001}, "text"),
        ({"change": "word", "revision": 1, "index": 1, "text": "x", "find": "y"}, "find"),
        ({"change": "replace", "find": "", "replace_with": "x"}, "find"),
        ({"change": "replace", "find": "x" * 201, "replace_with": "x"}, "find"),
        ({"change": "replace", "find": "x", "replace_with": 7}, "replace_with"),
        ({"change": "erase"}, None),
        ([], None),
    ],
)
async def test_a_change_that_nobody_can_mean_is_refused(
    anna: Person, path: str, body: object, field: str | None
) -> None:
    answer = await anna.client.patch(f"{path}/words", json=body)
    assert answer.status_code == 400, answer.text
    assert field is None or answer.json()["field"] == field
    assert await text_of(anna, path) == "Hello world."


async def test_a_replacement_that_makes_far_more_words_than_were_said_is_refused_by_its_name(
    anna: Person, path: str
) -> None:
    await anna.client.put(f"{path}/text", json={"transcript_text": "a " * 3_000})
    body = {"change": "replace", "find": "a", "replace_with": "字" * 300}
    answer = await anna.client.patch(f"{path}/words", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, "replace_with")


async def test_a_word_of_a_revision_that_there_never_was_is_not_found(anna: Person, path: str) -> None:
    change = {"change": "word", "revision": 9, "index": 0, "text": "x"}
    answer = await anna.client.patch(f"{path}/words", json=change)
    assert (answer.status_code, answer.json()["code"]) == (404, "revision_not_found")


async def test_revisions_are_their_owners_alone(
    installation: Installation, anna: Person, bert: Person, path: str
) -> None:
    word = {"change": "word", "revision": 1, "index": 0, "text": "x"}
    replace = {"change": "replace", "find": "Hello", "replace_with": "x"}
    for client, status in ((bert.client, 403), (installation.client(), 401)):
        answers = [
            await client.get(f"{path}/revisions"),
            await client.get(f"{path}/revisions/1"),
            await client.post(f"{path}/revisions/1/restore"),
            await client.patch(f"{path}/words", json=word),
            await client.patch(f"{path}/words", json=replace),
        ]
        assert {answer.status_code for answer in answers} == {status}
    missing = f"/transcriptions/{uuid4()}"
    answers = [
        await anna.client.get(f"{missing}/revisions"),
        await anna.client.get(f"{missing}/revisions/1"),
        await anna.client.patch(f"{missing}/words", json=word),
        await anna.client.patch(f"{missing}/words", json=replace),
    ]
    assert {answer.status_code for answer in answers} == {404}


async def test_a_revision_whose_object_is_lost_is_a_problem_of_its_own(
    installation: Installation, anna: Person, path: str
) -> None:
    heard = {file for file in installation.objects_of(anna.user_id) if "transcripts" in str(file)}
    await edits(anna, path, "Hello you.")
    for file in heard:
        file.unlink()
    for answer in (
        await anna.client.get(f"{path}/revisions/1"),
        await anna.client.post(f"{path}/revisions/1/restore"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "transcript_missing")
    assert await text_of(anna, path) == "Hello you."
