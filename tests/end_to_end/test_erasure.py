"""A person is erased from a whole system: no byte of them is on its disk any more, and everything else goes on."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.end_to_end.installation import Installation, start, stop
from tests.end_to_end.person import PASSWORD, Person, expect
from tests.end_to_end.quiet import until_quiet
from tests.end_to_end.story import assert_one_story
from tests.end_to_end.test_rebuild import rebuild, tables
from tests.media import write_tone

SETTINGS: Mapping[str, object] = {
    "engine": "scripted",
    "scripted_speed": 30,
    "window_seconds": 5,
    "ready_interval_seconds": 0.5,
    "attempt_lease_seconds": 3,
    "erasure_settle_seconds": 2,
    "seal_seconds": 0.5,
}
ERASED_SECONDS = 90.0
VERIFY_SECONDS = 60.0
NAME = "quokka-at-the-lighthouse.wav"
TEXT = "Seventeen quokkas ate marmalade at the lighthouse."
PROMPT = "A talk about Wombletoft and its saxophones"
TERM = "Grünkohlpinkel"
KEY_NAME = "The marmalade scale"


@pytest.mark.slow
async def test_no_byte_of_who_was_erased_is_left_anywhere(
    fresh_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = fresh_folder / "tmp"
    temporary.mkdir()
    temporary.chmod(0o777)
    monkeypatch.setenv("TMPDIR", str(temporary))
    running = await start(fresh_folder / "data", **SETTINGS)
    try:
        async with Person.arrives(running.url) as bert, Person.arrives(running.url) as anna:
            kept = await _lives(bert, write_tone(fresh_folder / "bert.wav", seconds=12))
            await _lives(anna, write_tone(fresh_folder / NAME, seconds=12), TEXT, PROMPT, TERM)
            assert len(await anna.finds("quokkas marmalade")) == 1
            said = [word.encode() for word in (anna.email, NAME, TEXT, PROMPT, TERM)]
            never_written = [KEY_NAME.encode(), (await _has_key(anna)).encode()]
            (fresh_folder / NAME).unlink()
            await until_quiet(running)
            async with running.database() as database:
                await database.execute("analyze")
            await _write_all(running)
            assert _found(fresh_folder, said) == said, "what is searched for is not there to be found"
            assert _found(fresh_folder, never_written) == []
            expect(await anna.client.request("DELETE", "/auth/me", json={"password": PASSWORD}), 202)
            await _until_erased(running)
            await until_quiet(running)
            await _write_all(running)
            assert _found(fresh_folder, said + never_written) == []
            assert (await bert.sees(kept))["status"] == "completed"
        await _require_one_story(running)
    finally:
        await stop(running)


async def _has_key(person: Person) -> str:
    """One that was used, without its prefix, which is no secret."""
    asked = {"name": KEY_NAME, "scopes": ["read"]}
    made = expect(await person.client.post("/api-keys", json=asked), 201)
    shown = {"Authorization": f"Bearer {made['key']}"}
    expect(await person.client.get("/user/quota", headers=shown), 200)
    return str(made["key"]).removeprefix(made["prefix"])


async def _lives(
    person: Person, recording: Path, text: str = "Something else.", prompt: str = "", term: str = "x"
) -> str:
    file_id = (await person.uploads(recording))["file_id"]
    asked = {"file_id": file_id, "prompt": prompt, "vocabulary": [term]}
    transcription_id = str(
        expect(await person.client.post("/transcriptions", json=asked), 202)["transcription_id"]
    )
    await person.waits_for(transcription_id, "completed")
    await person.edits(transcription_id, text)
    return transcription_id


async def _write_all(running: Installation) -> None:
    """All that PostgreSQL has in memory to its files, nothing that is dead, and no log of writes that is not needed."""
    async with running.database() as database:
        await database.execute("alter system set wal_recycle = off")
        await database.execute("select pg_reload_conf()")
        await database.execute("vacuum full")
        for _ in range(3):
            await database.execute("select pg_switch_wal()")
            await database.execute("checkpoint")


def _found(folder: Path, words: Sequence[bytes]) -> list[bytes]:
    """Those of the words that some file has, in its name or in it."""
    found = set()
    for path in folder.rglob("*"):
        content = os.fsencode(path) + (_content(path) if path.is_file() else b"")
        found |= {word for word in words if word in content}
    return [word for word in words if word in found]


def _content(path: Path) -> bytes:
    """Nothing of a file that has just gone."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


async def _until_erased(running: Installation) -> None:
    async with running.database() as database, asyncio.timeout(ERASED_SECONDS):
        while not await database.fetchval("select count(*) from credentials where erased_at is not null"):
            await asyncio.sleep(0.1)  # the condition is in the database


async def _require_one_story(running: Installation) -> None:
    """The log verifies, is what Kafka has, and is what the read models are made of, also when they are made anew."""
    async with running.database() as database:
        await assert_one_story(database, running.settings, forgetful=running.forgetful)
        live = await tables(database)
        for name in live:
            await rebuild(running, name)
        assert await tables(database) == live
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("stenolog")), "events", "verify"),
        f"--data={running.folder.path}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(VERIFY_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
