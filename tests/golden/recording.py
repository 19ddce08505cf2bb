"""Records what a running system stores, to be replayed by all later ones: `python -m tests.golden.recording NUMBER`.

With `words` behind the number it is the life of somebody who types words that a real engine then looks for in the sound. Done once for each released format, with the code that wrote it; what is recorded never changes again.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.end_to_end.database import Database
from tests.end_to_end.installation import Installation, start, stop
from tests.end_to_end.person import PASSWORD, Person, expect
from tests.end_to_end.quiet import until_quiet
from tests.golden.histories import FOLDER, READ_MODELS, History, Rows, log_columns
from tests.keys import MASTER_KEYS_TEXT
from tests.media import write_tone

SETTINGS: Final = {
    "engine": "scripted",
    "master_keys": MASTER_KEYS_TEXT,
    "scripted_speed": 30,
    "window_seconds": 5,
    "attempt_lease_seconds": 3,
    "ready_interval_seconds": 0.5,
    "erasure_settle_seconds": 1,
}
PEOPLE: Final = 3
ATTEMPTS: Final = 3


ALIGNING: Final = {
    "model": "tiny.en",
    "master_keys": MASTER_KEYS_TEXT,
    "attempt_lease_seconds": 6,
    "ready_interval_seconds": 0.5,
}
SPEECH: Final = Path(__file__).parents[2] / "samples" / "speech.ogg"
SPOKEN: Final = ("free afternoon", "free after noon")
UNSPOKEN: Final = ("full of boxes", "full of very purple boxes")


async def record(number: int) -> None:
    await _record(str(number), SETTINGS, _live_and_leave)


async def record_words(number: int) -> None:
    await _record(f"{number}-words", ALIGNING, _type_words)


async def _live_and_leave(running: Installation, folder: Path) -> None:
    for _ in range(PEOPLE):
        await _live(running, folder)
    await _leave(running, folder)


async def _type_words(running: Installation, _: Path) -> None:
    """Words that are said, words that are not, and back to what was heard."""
    async with Person.arrives(running.url) as person:
        transcription_id = await _request(person, SPEECH)
        text = (await person.waits_for(transcription_id, "completed"))["transcript_text"]
        for (old, new), event in ((SPOKEN, "TranscriptAligned"), (UNSPOKEN, "AlignmentEnded")):
            assert old in text
            text = text.replace(old, new)
            await person.edits(transcription_id, text)
            async with running.database() as database:
                await _until(database, 1, "select count(*) from events where type = $1", event)
        path = f"/transcriptions/{transcription_id}/revisions/1/restore"
        expect(await person.client.post(path), 200)


async def _record(
    name: str, settings: Mapping[str, Any], live: Callable[[Installation, Path], Awaitable[None]]
) -> None:
    with tempfile.TemporaryDirectory(prefix="stenolog-golden-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)  # PostgreSQL's account walks through.
        running = await start(folder / "data", **settings)
        try:
            await live(running, folder)
            await until_quiet(running)
            async with running.database() as database:
                history = await _history(database)
        finally:
            await stop(running)
    FOLDER.mkdir(exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(history), indent=1)
    (FOLDER / f"{name}.json").write_bytes(content + b"\n")


async def _live(running: Installation, folder: Path) -> None:
    """Everything that can happen to somebody's recordings, through the public API and by faults."""
    async with Person.arrives(running.url) as person:
        await _have_keys(person)
        short, long = (write_tone(folder / f"{s}.wav", seconds=s) for s in (12.0, 300.0))
        completed = await _request(
            person, short, language="en", prompt="A talk by Bjørn", vocabulary=["Ærø"]
        )
        await person.waits_for(completed, "completed")
        await person.edits(completed, "Whatever else was said.")
        cancelled = await _request(person, long)
        await person.waits_for(cancelled, "processing")
        expect(await person.client.post(f"/transcriptions/{cancelled}/cancel"), 200)
        failed = await _request(person, long, task="translate")
        for attempt in range(1, ATTEMPTS + 1):
            await _kill_in_attempt(running, person, failed, attempt)
        await person.waits_for(failed, "failed")


async def _have_keys(person: Person) -> None:
    """One that is good, one that expires, one that is revoked."""
    wanted = {"Bjørn's NAS": None, "A trial": "2099-01-01T00:00:00Z", "Lost": None}
    made = {}
    for name, expires_at in wanted.items():
        asked = {"name": name, "scopes": ["read", "write"], "expires_at": expires_at}
        made[name] = expect(await person.client.post("/api-keys", json=asked), 201)["id"]
    assert (await person.client.delete(f"/api-keys/{made['Lost']}")).status_code == 204


async def _leave(running: Installation, folder: Path) -> None:
    """Somebody with a transcript and a job at work, who is erased."""
    async with Person.arrives(running.url) as person:
        await _have_keys(person)
        short, long = (folder / "12.0.wav", folder / "300.0.wav")
        await person.waits_for(await _request(person, short), "completed")
        await person.waits_for(await _request(person, long), "processing")
        expect(await person.client.request("DELETE", "/auth/me", json={"password": PASSWORD}), 202)
    async with running.database() as database:
        await _until(database, 1, "select count(*) from events where type = 'UserErased'")


async def _request(person: Person, recording: Path, **options: Any) -> str:
    file_id = (await person.uploads(recording))["file_id"]
    answer = await person.client.post("/transcriptions", json={"file_id": file_id, **options})
    return str(expect(answer, 202)["transcription_id"])


async def _kill_in_attempt(
    running: Installation, person: Person, transcription_id: str, attempt: int
) -> None:
    async with running.database() as database:
        await _until_started(database, transcription_id, attempt)
    await person.waits_for(transcription_id, "processing")
    await running.kill("work")


async def _until_started(database: Database, transcription_id: str, attempt: int) -> None:
    started = "select count(*) from events where stream_id = $1 and type = 'TranscriptionStarted'"
    await _until(database, attempt, started, f"transcription-{transcription_id}")


async def _until(database: Database, count: int, query: str, *arguments: object) -> None:
    async with asyncio.timeout(60):
        while count > await database.fetchval(query, *arguments):
            await asyncio.sleep(0.05)  # the condition is in the database


async def _history(database: Database) -> History:
    log = await database.fetch(f"select {', '.join(log_columns())} from events order by partition, seq")
    return History(
        migration=await database.fetchval("select max(name) from migrations where component = 'log'"),
        partition_count=await database.fetchval("select partition_count from log_settings"),
        log=[{name: _told(value) for name, value in row.items()} for row in log],
        person_keys=await _person_keys(database),
        read_models={name: await _rows(database, name) for name in READ_MODELS},
    )


async def _person_keys(database: Database) -> Rows:
    rows = await database.fetch("select owner_id, master_key, wrapped from person_keys order by 1")
    return [msgspec.to_builtins(dict(row)) for row in rows]


async def _rows(database: Database, name: str) -> Rows:
    rows = await database.fetch(f"select to_jsonb(t)::text as row from read.{name} t order by 1")
    return [msgspec.json.decode(row["row"]) for row in rows]


def _told(value: object) -> Any:
    """The data of an event as the text that it is, so that a person can read what was stored."""
    return value.decode() if isinstance(value, bytes) else msgspec.to_builtins(value)


if __name__ == "__main__":
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run((record_words if sys.argv[2:] == ["words"] else record)(int(sys.argv[1])))
