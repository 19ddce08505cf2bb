"""Odd forms to OpenAI's routes, byte by byte: each is done or refused in the words that fit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from commands.delete_transcription import delete_transcription
from domain.instructions import TERM_CHARACTERS_MAX, TERMS_MAX
from domain.languages import Abilities
from domain.transcription_commands import DeleteTranscription
from tests.api.rig import HEARD, WORKER_SAYS, Installation, Person, complete, fail, sound
from tests.api.test_audio_routes import ask, ask_and_hear, newest_request, refusal, requests_of
from tests.api.test_instructions import known
from tests.builders import NOON

MODEL = b'Content-Disposition: form-data; name="model"\r\n\r\nwhisper-1'
FILE = b'Content-Disposition: form-data; name="file"; filename="talk.wav"\r\n\r\n'


def field(name: str, value: bytes, *, kind: str = "") -> bytes:
    more = f"\r\nContent-Type: {kind}" if kind else ""
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value


async def send(person: Person, *parts: bytes) -> httpx.Response:
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return await person.client.post("/audio/transcriptions", content=body, headers=headers, timeout=60)


async def asked_for(person: Person, *parts: bytes) -> dict[str, Any]:
    """What the transcription that these begin says that was asked for."""
    before = await requests_of(person)
    asking = asyncio.create_task(send(person, MODEL, *parts, FILE + sound()))
    transcription_id = await newest_request(person, before, asking)
    await complete(person.installation, transcription_id, UUID(person.user_id), HEARD)
    assert (await asking).status_code == 200
    shown: dict[str, Any] = (await person.client.get(f"/transcriptions/{transcription_id}")).json()
    return shown


async def test_as_many_terms_as_there_may_be_are_taken_in_any_script(anna: Person) -> None:
    terms = [f"{number:03}" + "語" * (TERM_CHARACTERS_MAX - 3) for number in range(TERMS_MAX)]
    shown = await asked_for(anna, *(field("keywords[]", term.encode()) for term in terms))
    assert shown["vocabulary"] == terms


async def test_letters_that_are_joined_by_signs_without_width_are_text(anna: Person) -> None:
    shown = await asked_for(anna, field("prompt", "می‌روم 👩‍🔬".encode()))
    assert shown["prompt"] == "می‌روم 👩‍🔬"


@pytest.mark.parametrize("charset", ["ISO-8859-1", "windows-1252", '"latin1"'])
async def test_a_field_in_latin_1_that_says_so_is_read_as_that(anna: Person, charset: str) -> None:
    latin = field("prompt", "Gespräch".encode("latin-1"), kind=f"text/plain; charset={charset}")
    assert (await asked_for(anna, latin))["prompt"] == "Gespräch"


REFUSED: dict[str, tuple[list[bytes], str, str, str]] = {
    "bytes that are no text": (
        [MODEL, field("prompt", b"Gespr\xe4ch")],
        "invalid_field",
        "prompt",
        "UTF-8",
    ),
    "a huge prompt": ([MODEL, field("prompt", b"x" * 1_000_000)], "invalid_field", "prompt", "send less"),
    "more fields than there are": (
        [MODEL, *[field("keywords[]", b"x")] * 300],
        "malformed_upload",
        "file",
        "more than 240 parts",
    ),
    "a file without a filename": (
        [MODEL, FILE.replace(b'; filename="talk.wav"', b"") + sound(60.0)],
        "malformed_upload",
        "file",
        "has no filename",
    ),
    "two files": ([MODEL, FILE + sound()], "malformed_upload", "file", "one recording"),
    "a name that is none": (
        [MODEL, field("[]", b"x")],
        "unknown_parameter",
        "",
        "no field of this request",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_an_odd_form_is_refused_for_what_is_wrong_with_it(anna: Person, kind: str) -> None:
    parts, code, parameter, text = REFUSED[kind]
    error = refusal(await send(anna, *parts, FILE + sound()), 400)
    assert (error["code"], error["param"]) == (code, parameter)
    assert text in error["message"]
    assert await anna.left_nothing()


async def test_a_form_without_its_boundary_is_told_where_that_comes_from(anna: Person) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    answer = await anna.client.post("/audio/transcriptions", content=b"--x--", headers=headers)
    assert "leave Content-Type to your HTTP library" in refusal(answer, 400)["message"]


@pytest_asyncio.fixture(loop_scope="session")
async def plain_worker(installation: Installation) -> AsyncIterator[None]:
    """A worker whose model translates nothing and takes no prompt, as the dispatcher notes it."""
    pool, worker_id = installation.parts.read_models, uuid4()
    await pool.execute(
        "insert into dispatch_workers (worker_id, engine, slots, seen_at, languages, translates, takes_prompt) "
        "values ($1, 'plain', 1, now(), 'en', false, false)",
        worker_id,
    )
    await known(installation, lambda abilities: not abilities.takes_prompt)
    yield
    await pool.execute("delete from dispatch_workers where worker_id = $1", worker_id)
    await known(installation, lambda abilities: abilities.takes_prompt)


@pytest.mark.usefixtures("plain_worker")
async def test_what_the_model_cannot_do_is_refused_in_the_words_of_these_routes(anna: Person) -> None:
    unable = refusal(await ask(anna, path="/audio/translations"), 400)
    assert (unable["code"], unable["param"]) == ("translation_unsupported", None)
    assert "/v1/audio/transcriptions" in unable["message"]
    deaf = refusal(await ask(anna, prompt="A meeting."), 400)
    assert (deaf["code"], deaf["param"]) == ("prompt_unsupported", "prompt")
    assert "as keywords" in deaf["message"]
    assert await anna.left_nothing()


class Meanwhile:
    """Knows of no worker, and does something the first time that it is asked."""

    def __init__(self, does: Callable[[], Awaitable[object]]) -> None:
        self._does: Callable[[], Awaitable[object]] | None = does

    async def answer(self) -> Abilities:
        does, self._does = self._does, None
        if does:
            await does()
        return Abilities()


async def test_what_is_deleted_in_that_moment_is_done_anew(
    installation: Installation, anna: Person
) -> None:
    asking = asyncio.create_task(ask(anna))
    first = await newest_request(anna, [], asking)
    await fail(installation, first, UUID(anna.user_id))
    refusal(await asking, 422)
    delete = DeleteTranscription(transcription_id=first, user_id=UUID(anna.user_id), deleted_at=NOON)
    abilities: Any = Meanwhile(lambda: delete_transcription(delete, installation.parts.store, WORKER_SAYS))
    installation.app.state.parts = replace(installation.parts, abilities=abilities)
    try:
        answer = await ask_and_hear(anna)
    finally:
        installation.app.state.parts = installation.parts
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Stenolog-Transcription"] != str(first)
