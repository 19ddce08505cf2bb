"""What somebody deletes in a running system is gone from it: from lists, from searches and from the object store."""

import asyncio
import time
from pathlib import Path

from infrastructure.object_store import folder_of
from tests.end_to_end.installation import Installation
from tests.end_to_end.person import Person, expect
from tests.media import write_tone

DEADLINE_SECONDS = 60.0


def objects_of(running: Installation, user_id: str) -> list[Path]:
    root = folder_of(running.addresses.object_store)
    assert root is not None
    return [path for path in root.rglob(f"*/{user_id}/*/*") if path.is_file()]


async def test_what_is_said_is_found_until_it_is_deleted_and_then_nothing_of_it_is_left(
    running: Installation, tmp_path: Path
) -> None:
    async with Person.arrives(running.url) as anna:
        user_id = expect(await anna.client.get("/auth/me"), 200)["user"]["id"]
        kept, gone = [await has_said(anna, tmp_path, text) for text in ("red marmalade", "blue marmalade")]
        for text in ("red marmalade", "blue marmalade"):
            assert len(await anna.finds(text)) == 1
        assert any(gone["file_id"] in str(path) for path in objects_of(running, user_id))
        answer = await anna.client.delete(f"/files/{gone['file_id']}?transcript=delete")
        assert answer.status_code == 204
        found = await anna.searches("marmalade")
        assert [each["file_id"] for each in found] == [kept["file_id"]]
        ends_at = time.monotonic() + DEADLINE_SECONDS
        while left := [path for path in objects_of(running, user_id) if is_of(path, gone)]:
            assert time.monotonic() < ends_at, left
            await asyncio.sleep(0.1)  # the condition is in the object store
        assert any(is_of(path, kept) for path in objects_of(running, user_id))


async def has_said(person: Person, folder: Path, text: str) -> dict[str, str]:
    recording = write_tone(folder / "tone.wav", seconds=3)
    file_id = (await person.uploads(recording))["file_id"]
    transcription_id = await person.requests(file_id)
    await person.waits_for(transcription_id, "completed")
    await person.edits(transcription_id, text)
    return {"file_id": file_id, "transcription_id": transcription_id}


def is_of(path: Path, ids: dict[str, str]) -> bool:
    return any(each in str(path) for each in ids.values())
