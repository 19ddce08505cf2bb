"""A system whose API is two processes: what one of them answered, the other shows."""

from pathlib import Path

import httpx
import pytest

from tests.end_to_end.installation import start, stop
from tests.end_to_end.person import Person, expect
from tests.media import write_tone

LOOKS = 30


@pytest.mark.slow
async def test_a_consistency_token_of_one_process_holds_in_the_other(tmp_path: Path) -> None:
    running = await start(tmp_path / "data", engine="scripted", api_workers=2)
    try:
        async with Person.arrives(running.url) as anna:
            content = write_tone(tmp_path / "note.wav", seconds=1.0).read_bytes()
            for number in range(3):
                answer = await anna.client.post(
                    "/files/upload",
                    files={"file": (f"{number}.wav", content)},
                    headers={"Prefer": "respond-async"},
                )
                file_id = expect(answer, 201)["file_id"]
                headers = {
                    "Authorization": anna.client.headers["Authorization"],
                    "Consistency-Token": answer.headers["Consistency-Token"],
                }
                for _ in range(LOOKS):
                    assert await status_of(f"{anna.client.base_url}files/{file_id}", headers) == 200
    finally:
        await stop(running)


async def status_of(url: str, headers: dict[str, str]) -> int:
    """On a connection of its own, so that either may answer."""
    async with httpx.AsyncClient(headers=headers, trust_env=False, verify=False) as client:
        return (await client.get(url)).status_code
