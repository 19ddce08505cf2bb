"""Editors of one transcript who know nothing of one another."""

import asyncio
from typing import Final

import httpx
from msgspec import Struct

from tests.api.rig import Person

EDITORS: Final = 20
TURNS: Final = 3


class War(Struct, frozen=True):
    """The text of each revision that somebody was told is theirs, and how many were told to read again."""

    accepted: dict[int, str]
    refused: int

    @property
    def last(self) -> int:
        return max(self.accepted)


async def edits(person: Person, path: str, text: str, if_match: str | None = None) -> httpx.Response:
    headers = {"If-Match": if_match} if if_match is not None else {}
    return await person.client.put(f"{path}/text", json={"transcript_text": text}, headers=headers)


async def war(person: Person, path: str) -> War:
    """Each reads, adds their word and writes; who is told that others were first reads again."""
    accepted: dict[int, str] = {}
    refused = 0

    async def fights(editor: int) -> None:
        nonlocal refused
        for turn in range(TURNS):
            while True:
                shown = await person.client.get(f"{path}/transcript")
                text = f"{shown.json()['transcript']['text']} e{editor}t{turn}"
                answer = await edits(person, path, text, shown.headers["ETag"])
                if answer.status_code == 200:
                    accepted[answer.json()["revision"]] = text
                    break
                assert (answer.status_code, answer.json()["code"]) == (412, "revision_changed")
                assert answer.headers["ETag"] != shown.headers["ETag"]
                refused += 1

    await asyncio.gather(*map(fights, range(EDITORS)))
    return War(accepted, refused)


async def require_nothing_lost(person: Person, path: str, fought: War, words_before: int) -> None:
    """Every word that was accepted is in the last text: whoever was accepted had seen all before."""
    assert sorted(fought.accepted) == list(range(2, TURNS * EDITORS + 2))
    assert fought.refused > 0
    last = fought.accepted[fought.last]
    assert (await person.client.get(path)).json()["transcript_text"] == last
    assert len(last.split()) == words_before + TURNS * EDITORS
    for number, text in fought.accepted.items():
        kept = await person.client.get(f"{path}/revisions/{number}")
        assert kept.json()["transcript"]["text"] == text
