"""Asking for a language, a task, a prompt and a vocabulary, and seeing again what was asked for."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest
import pytest_asyncio

from dispatcher.tables import PostgresDispatchTables
from domain.languages import Abilities
from schemas.messages import WorkerReady
from tests.api.rig import HEARD, Installation, Person
from tests.api.test_bad_input import problem

ASKED = {
    "language": "pt-br",
    "task": "translate",
    "prompt": "Ata da  reunião.",
    "vocabulary": ["Araçatuba", "Anna Nowak"],
}


async def known(installation: Installation, satisfied: Callable[[Abilities], bool]) -> None:
    """Waits until the API has heard of a worker, or that it is gone."""
    async with asyncio.timeout(10):
        while not satisfied(await installation.parts.abilities.answer()):
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(loop_scope="session")
async def english_worker(installation: Installation) -> AsyncIterator[None]:
    """A worker whose model knows English only, as the dispatcher notes it."""
    pool, worker_id = installation.parts.read_models, uuid4()
    await pool.execute(
        "insert into dispatch_workers values ($1, 'tiny.en', 1, now(), 'en', false)", worker_id
    )
    await known(installation, lambda abilities: not abilities.translates)
    yield
    await pool.execute("delete from dispatch_workers where worker_id = $1", worker_id)
    await known(installation, lambda abilities: abilities.translates)


async def test_what_is_asked_for_is_stored_and_shown(anna: Person) -> None:
    body = {"file_id": await anna.has_file()} | ASKED
    answer = await anna.client.post("/transcriptions", json=body)
    assert answer.status_code == 202, answer.text
    path = f"/transcriptions/{answer.json()['transcription_id']}"
    shown = (await anna.client.get(path)).json()
    assert (shown["language"], shown["task"]) == ("pt-BR", "translate")
    assert (shown["prompt"], shown["vocabulary"]) == ("Ata da reunião.", ["Araçatuba", "Anna Nowak"])
    assert "language_probability" not in shown
    [listed] = (await anna.client.get("/transcriptions")).json()
    assert (listed["language"], listed["task"]) == ("pt-BR", "translate")


async def test_who_asks_for_nothing_gets_the_language_and_how_sure_it_is(anna: Person) -> None:
    queued = (await anna.client.get(f"/transcriptions/{await anna.has_requested('a.wav')}")).json()
    assert (queued["task"], queued["prompt"], queued["vocabulary"]) == ("transcribe", "", [])
    assert "language" not in queued
    done = (await anna.client.get(f"/transcriptions/{await anna.has_transcript('b.wav', HEARD)}")).json()
    assert (done["language"], done["language_probability"]) == ("en", None)


@pytest.mark.parametrize(
    ("asked", "field", "error"),
    [
        ({"language": "german"}, "language", "language has to be a BCP 47 tag like en"),
        ({"language": 7}, "language", "language: expected `str | null`, got `int`"),
        ({"task": "summarize"}, "task", "task: invalid enum value 'summarize'"),
        ({"prompt": "x" * 1_001}, "prompt", "prompt has 1001 characters"),
        ({"prompt": None}, "prompt", "prompt: expected `str`, got `null`"),
        ({"vocabulary": "Anna"}, "vocabulary", "vocabulary: expected `array`, got `str`"),
        ({"vocabulary": ["x"] * 201}, "vocabulary", "vocabulary has 201 terms: send at most 200"),
        ({"vocabulary": [""]}, "vocabulary", "vocabulary term 1 is empty"),
    ],
)
async def test_what_nobody_could_mean_is_named(
    anna: Person, asked: dict[str, object], field: str, error: str
) -> None:
    body = {"file_id": str(uuid4())} | asked
    told = problem(await anna.client.post("/transcriptions", json=body), 400)
    assert told["field"] == field
    assert told["error"].startswith(error)


@pytest.mark.usefixtures("english_worker")
async def test_a_language_that_no_worker_has_is_refused_and_costs_nothing(anna: Person) -> None:
    file_id = await anna.has_file()
    before = await anna.installation.events_of(anna.user_id)
    answer = await anna.client.post("/transcriptions", json={"file_id": file_id, "language": "de-AT"})
    told = problem(answer, 400)
    assert (told["code"], told["languages"]) == ("language_unsupported", ["en"])
    assert told["error"] == "The model does not know the language de-AT: it has en"
    answer = await anna.client.post("/transcriptions", json={"file_id": file_id, "task": "translate"})
    assert problem(answer, 400)["code"] == "translation_unsupported"
    assert await anna.installation.events_of(anna.user_id) == before
    answer = await anna.client.post("/transcriptions", json={"file_id": file_id, "language": "en-GB"})
    assert answer.status_code == 202


@pytest_asyncio.fixture(loop_scope="session")
async def riva_worker(installation: Installation) -> AsyncIterator[None]:
    """A worker whose models have to be told one of two languages, and nothing but that and names."""
    pool, worker_id = installation.parts.read_models, uuid4()
    ready = WorkerReady(
        worker_id=worker_id,
        engine="riva",
        slots=1,
        languages=("de", "en"),
        translates=False,
        detects=False,
        takes_prompt=False,
    )
    await PostgresDispatchTables(pool).announce([ready], lease_seconds=60.0)
    await known(installation, lambda abilities: not abilities.detects)
    yield
    await pool.execute("delete from dispatch_workers where worker_id = $1", worker_id)
    await known(installation, lambda abilities: abilities.detects)


@pytest.mark.usefixtures("riva_worker")
async def test_who_has_to_say_the_language_and_may_give_no_prompt_is_told_so(anna: Person) -> None:
    file_id = await anna.has_file()
    before = await anna.installation.events_of(anna.user_id)
    told = problem(await anna.client.post("/transcriptions", json={"file_id": file_id}), 400)
    assert (told["code"], told["languages"]) == ("language_required", ["de", "en"])
    body = {"file_id": file_id, "language": "de"}
    answer = await anna.client.post("/transcriptions", json=body | {"prompt": "Ein Treffen."})
    assert problem(answer, 400)["code"] == "prompt_unsupported"
    assert await anna.installation.events_of(anna.user_id) == before
    answer = await anna.client.post("/transcriptions", json=body | {"vocabulary": ["Anna"]})
    assert answer.status_code == 202


async def test_a_prompt_and_a_vocabulary_reach_no_log_line(
    anna: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "Rumpelstilzchen"
    for body in (
        {"prompt": secret, "vocabulary": [secret]},
        {"prompt": secret + "\0", "vocabulary": [secret]},
    ):
        await anna.client.post(
            "/transcriptions", json={"file_id": await anna.has_file(f"{len(body)}.wav")} | body
        )
    assert caplog.records
    assert secret not in caplog.text
