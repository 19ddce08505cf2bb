"""An odd recording has the same answer by either way in: the upload and OpenAI's route know one measure and one reason."""

import asyncio
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from tests.api.rig import HEARD, Person, complete
from tests.api.test_audio_routes import ask, newest_request, refusal
from tests.infrastructure.media.odd_files import EVERY
from tests.infrastructure.media.odd_times import Make

LONG: Final = ("15-", "21-16-mb", "25-")
"""Those that take their time, or are larger than this installation takes."""
ONE_OF_EACH_ROW: Final[dict[str, Make]] = {
    name.partition("-")[0]: make for name, make in EVERY.items() if not name.startswith(LONG)
}


@pytest.mark.parametrize("row", ONE_OF_EACH_ROW)
async def test_both_ways_in_say_the_same_of_an_odd_recording(
    anna: Person, row: str, tmp_path: Path
) -> None:
    content = ONE_OF_EACH_ROW[row](tmp_path / "media").read_bytes()
    uploaded = await anna.uploads(content)
    asking = asyncio.create_task(ask(anna, content))
    if uploaded.status_code != 201:
        error = refusal(await asking, uploaded.status_code)
        assert (error["code"], error["message"]) == (uploaded.json()["code"], uploaded.json()["error"])
        return
    transcription_id = await newest_request(anna, [], asking)
    await complete(anna.installation, transcription_id, UUID(anna.user_id), HEARD)
    assert (await asking).status_code == 200
    files = (await anna.client.get("/files")).json()
    assert {each["duration_seconds"] for each in files} == {uploaded.json()["duration_seconds"]}
