"""The client as a program uses it: the example of docs/client.md, and what it does when the API is busy or away."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.client import ApiUnreachable, Refused, opened_client, waited_out
from embedded.ports import free_port
from infrastructure.processes import ROOT
from tests.cli.scripted_api import EXPORTED, ScriptedApi, problem

QUOTA = "GET /v1/user/quota"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi().serving() as api:
        yield api


async def test_the_example_of_the_docs_transcribes(api: ScriptedApi, tmp_path: Path) -> None:
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/client.md").read_text(encoding="utf-8"), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(example, names)
    recording = tmp_path / "talk.ogg"
    recording.write_bytes(b"sound")
    assert await names["transcribed"](api.url, "mine", recording) == EXPORTED.decode()
    assert set(api.tokens) == {"Bearer mine"}


async def test_a_busy_api_is_asked_again_after_as_long_as_it_says(api: ScriptedApi) -> None:
    api.answers[QUOTA] = [problem(503, "starting"), problem(429, "too many"), *api.answers[QUOTA]]
    api.headers[QUOTA] = {"Retry-After": "0"}
    async with opened_client(api.url) as client:
        assert (await waited_out(client.quota, 60)).quota_minutes_remaining == 7
    assert api.asked == [QUOTA] * 3


async def test_patience_ends(api: ScriptedApi) -> None:
    api.answers[QUOTA] = [problem(503, "starting", code="starting")]
    async with opened_client(api.url) as client:
        with pytest.raises(Refused) as refused:
            await waited_out(client.quota, -1)
    assert (refused.value.status, refused.value.code) == (503, "starting")


async def test_what_must_not_be_done_twice_is_not_asked_for_again_when_nothing_answers() -> None:
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        async with opened_client(f"http://127.0.0.1:{free_port()}") as client:
            await client.quota()

    with pytest.raises(ApiUnreachable):
        await waited_out(ask, 60, repeatable=False)
    assert asked == 1
