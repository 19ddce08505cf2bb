"""A listener as a client is one: it reads Server-Sent Events over a connection."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx


@dataclass(frozen=True, slots=True)
class Told:
    """One event; a comment has no name."""

    name: str
    id: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, block: str) -> Self:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        return cls(fields.get("event", ""), fields.get("id", ""), json.loads(fields.get("data", "{}")))

    @property
    def brief(self) -> str:
        """The status, the text of the window, or the name."""
        found = {"transcription": "status", "window": "text"}.get(self.name)
        return str(self.data[found]) if found else self.name


async def events_of(answer: httpx.Response) -> AsyncIterator[Told]:
    """All that come, comments too, until the stream ends. Raises httpx.RemoteProtocolError when it is cut instead."""
    rest = ""
    async for text in answer.aiter_text():
        *blocks, rest = (rest + text).split("\n\n")
        for block in blocks:
            yield Told.read(block)


@asynccontextmanager
async def listening_to(
    client: httpx.AsyncClient, path: str, last_event_id: str = ""
) -> AsyncIterator[AsyncIterator[Told]]:
    """The events alone."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with client.stream("GET", path, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield (told async for told in events_of(answer) if told.name)
