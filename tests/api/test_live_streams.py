"""Live streams over real connections, from the log and the reports of workers to the client."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio

from api.crowd import Limits
from api.live_limits import LiveLimits
from api.live_position import BEGINNING
from api.live_streams import LiveStream
from api.server import Server
from api.tokens import NotAuthenticated, Tokens
from dispatcher.ports import Lease
from dispatcher.tables import PostgresDispatchTables
from domain.transcript import Segment, Word
from schemas.messages import FinishedWindow, ProgressReported
from schemas.objects import window_key
from tests.api.conftest import SECRET
from tests.api.listening import Objects, World, live_over, queued
from tests.api.rig import HEARD, Installation, Person, fault, finish, start
from tests.api.streams import Told, listening_to
from tests.api.wire import listening, port_of
from tests.builders import WORKER
from tests.projections.running import until

SECONDS_MAX = 10.0


def without_lifespan(app: Callable[..., Any]) -> Callable[..., Any]:
    """Its parts are there already, in the fixture."""

    async def served(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for _ in range(2):
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})

    return served


@pytest_asyncio.fixture(loop_scope="session")
async def server(installation: Installation) -> AsyncIterator[Server]:
    async with listening(without_lifespan(installation.app), Limits(requests=8)) as running:
        yield running


def client_of(person: Person, server: Server) -> httpx.AsyncClient:
    url = f"http://127.0.0.1:{port_of(server)}/v1"
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=url, headers=person.client.headers, limits=limits)


@pytest.fixture
async def client(anna: Person, server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(anna, server) as opened:
        yield opened


async def told(events: AsyncIterator[Told]) -> Told:
    async with asyncio.timeout(SECONDS_MAX):
        return await anext(events)


async def rest(events: AsyncIterator[Told]) -> list[str]:
    async with asyncio.timeout(SECONDS_MAX):
        return [each.brief async for each in events]


class Worker:
    """What a worker and the dispatcher do about the first attempt at a transcription of Anna's."""

    def __init__(self, person: Person, transcription_id: str) -> None:
        self._parts = person.installation.parts
        self._user_id, self._id = UUID(person.user_id), UUID(transcription_id)
        self._tables = PostgresDispatchTables(self._parts.read_models)
        self._installation = person.installation

    async def starts(self) -> None:
        await start(self._installation, self._id, self._user_id)
        view = await self._parts.reads.transcription.answer(self._id)
        assert view is not None
        lease = Lease(
            transcription_id=self._id,
            attempt=1,
            worker_id=WORKER,
            user_id=self._user_id,
            requested_at=view.requested_at,
        )
        await self._tables.grant(lease, 600)

    async def hears(self, index: int, text: str) -> None:
        key = window_key(self._user_id, self._id, "cut", index)
        word = Word(text=f" {text}", start_ms=0, end_ms=1)
        stored = {"type": "WindowDone", "index": index, "segments": [Segment(words=(word,))]}
        await self._parts.objects.put(key, msgspec.json.encode(stored))
        window = FinishedWindow(index=index, start_ms=1_000 * index, end_ms=1_000 * (index + 1), key=key)
        report = ProgressReported(
            worker_id=WORKER,
            transcription_id=self._id,
            attempt=1,
            done_seconds=index + 0.5,
            total_seconds=10,
            windows=(window,),
        )
        await self._tables.note_progress([report], 600)


async def test_a_listener_sees_it_queued_running_with_windows_and_completed(
    anna: Person, client: httpx.AsyncClient
) -> None:
    transcription_id = await anna.has_requested()
    worker = Worker(anna, transcription_id)
    async with listening_to(client, f"/transcriptions/{transcription_id}/events") as events:
        assert (await told(events)).brief == "queued"
        await worker.starts()
        assert (await told(events)).brief == "processing"
        seen: list[str] = []
        for index, text in enumerate(("first", "second")):
            await worker.hears(index, text)
            while not seen or seen[-1] != text:
                seen.append((await told(events)).brief)
        await finish(anna.installation, UUID(transcription_id), UUID(anna.user_id), HEARD)
        last = await told(events)
        while last.brief == "processing":
            last = await told(events)
        assert [each for each in seen if each != "processing"] == ["first", "second"]
        assert last.data == (await anna.client.get(f"/transcriptions/{transcription_id}")).json()
        assert last.data["transcript_text"] == HEARD.text
        assert await rest(events) == []


async def test_who_comes_back_is_told_what_was_missed_and_at_the_end_that_there_is_no_more(
    anna: Person, client: httpx.AsyncClient
) -> None:
    transcription_id = await anna.has_requested()
    worker, path = Worker(anna, transcription_id), f"/transcriptions/{transcription_id}/events"
    await worker.starts()
    await worker.hears(0, "first")
    last = ""
    async with listening_to(client, path) as events:
        while (event := await told(events)).brief != "first":
            pass
        last = event.id
    await worker.hears(1, "second")
    async with listening_to(client, path, last) as events:
        assert (await told(events)).brief == "processing"
        assert (await told(events)).brief == "second"
    await fault(anna.installation, UUID(transcription_id))
    async with listening_to(client, path, last) as events:
        assert (await told(events)).brief == "second"
        end = await told(events)
        assert end.brief == "failed"
        assert await rest(events) == []
    answer = await client.get(path, headers={"Last-Event-ID": end.id})
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get(path)).status_code == 200


async def test_a_listener_to_everything_hears_of_every_transcription_and_misses_no_end(
    anna: Person, bert: Person, client: httpx.AsyncClient
) -> None:
    first = await anna.has_requested("first.wav")
    async with listening_to(client, "/events") as events:
        event = await told(events)
        assert (event.brief, event.data["transcription_id"]) == ("queued", first)
        await bert.has_transcript("of-bert.wav")
        second = await anna.has_transcript("second.wav")
        while (event := await told(events)).data[
            "transcription_id"
        ] != second or event.brief != "completed":
            pass
        assert "transcript_text" not in event.data
        last = event.id
    await anna.client.post(f"/transcriptions/{first}/cancel")
    edit = {"transcript_text": "Hello there."}
    assert (await anna.client.put(f"/transcriptions/{second}/text", json=edit)).status_code == 200
    async with listening_to(client, "/events", last) as events:
        seen: dict[str, Told] = {}
        while not (
            first in seen
            and seen[first].brief == "cancelled"
            and second in seen
            and seen[second].data["revision"] == 2
        ):
            event = await told(events)
            seen[event.data["transcription_id"]] = event
        assert seen.keys() == {first, second}


async def test_what_is_not_ones_own_cannot_be_followed(
    anna: Person, bert: Person, client: httpx.AsyncClient
) -> None:
    path = f"/transcriptions/{await bert.has_requested()}/events"
    assert (await client.get(path)).status_code == 403
    assert (await client.get(f"/transcriptions/{uuid4()}/events")).status_code == 404
    for each in (path, "/events"):
        answer = await client.get(each, headers={"Authorization": "Bearer nonsense"})
        assert answer.status_code == 401
    assert anna.installation.parts.live.listener_count == 0


def made_up(*parts: object) -> str:
    """An id as a stream might give it."""
    return urlsafe_b64encode(msgspec.msgpack.encode(parts)).decode()


MADE_UP = [
    made_up(1, {str(UUID(int=1)): ("cut", -(2**62))}, 0),
    made_up(-1, {}, 0),
    made_up(1, {}, -1),
    urlsafe_b64encode(b"\x94\x01\x80\x00" + b"\x91" * 5_000 + b"\x00").decode(),
]
"""Windows before the first, events before the first, and more within one another than anybody reads."""


@pytest.mark.parametrize("last", ["nonsense", "%%%", "a" * 10_000, "gA==", "é", *MADE_UP])
async def test_an_id_that_no_stream_gave_is_refused(client: httpx.AsyncClient, last: str) -> None:
    answer = await client.get("/events", headers={b"Last-Event-ID": last.encode()})
    assert (answer.status_code, answer.json()["field"]) == (400, "Last-Event-ID")


async def test_a_stream_is_not_begun_for_its_head_alone(anna: Person, client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        answer = await client.head("/events")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")


async def test_who_listens_takes_no_place_from_requests(anna: Person, client: httpx.AsyncClient) -> None:
    """The server answers eight at a time."""
    async with AsyncExitStack() as streams:
        for _ in range(20):
            await streams.enter_async_context(listening_to(client, "/events"))
        answers = await asyncio.gather(*(client.get("/user/quota") for _ in range(8)))
        assert {each.status_code for each in answers} == {200}


async def test_too_many_streams_of_one_user_are_refused_and_others_are_not(
    anna: Person, bert: Person, server: Server, client: httpx.AsyncClient
) -> None:
    async with AsyncExitStack() as streams:
        for _ in range(LiveLimits().listeners_per_user):
            await streams.enter_async_context(listening_to(client, "/events"))
        answer = await client.get("/events")
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_listeners")
        assert int(answer.headers["Retry-After"]) > 0
        other = await streams.enter_async_context(client_of(bert, server))
        await streams.enter_async_context(listening_to(other, "/events"))


async def test_a_listener_who_hangs_up_is_forgotten(anna: Person, client: httpx.AsyncClient) -> None:
    live = anna.installation.parts.live
    async with listening_to(client, "/events"):
        assert live.listener_count == 1

    async def nobody_listens() -> bool:
        return live.listener_count == 0

    await until(nobody_listens)


async def test_a_server_that_stops_ends_all_streams_and_waits_for_none(
    anna: Person, installation: Installation
) -> None:
    await anna.has_requested()
    async with (
        listening(without_lifespan(installation.app)) as server,
        client_of(anna, server) as client,
        AsyncExitStack() as streams,
    ):
        opened = [await streams.enter_async_context(listening_to(client, "/events")) for _ in range(20)]
        assert [(await told(each)).brief for each in opened] == ["queued"] * 20
        server.end()
        # A stream that the server had to cut off would be an error of the protocol here.
        assert [await rest(each) for each in opened] == [[]] * 20


async def test_erasure_ends_the_streams_of_who_leaves(anna: Person, client: httpx.AsyncClient) -> None:
    await anna.has_requested()
    async with listening_to(client, "/events") as events:
        assert (await told(events)).brief == "queued"
        answer = await anna.client.request("DELETE", "/auth/me", json={"password": "correct horse battery"})
        assert answer.status_code in (200, 202, 204), answer.text
        assert await rest(events) == []
    assert (await client.get("/events")).status_code in (401, 410)


class Expiring(Tokens):
    """Good until a test says otherwise."""

    has_expired = False

    def verify(self, token: str) -> UUID:
        if self.has_expired:
            raise NotAuthenticated("The token has expired, says the test")
        return super().verify(token)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    objects = Objects(tmp_path)
    await objects.prepare()
    return World(objects)


async def test_a_token_that_expires_ends_the_stream_and_a_good_one_does_not(
    anna: Person, world: World
) -> None:
    """Heartbeats come at once here."""
    user_id, parts = UUID(anna.user_id), anna.installation.parts
    tokens = Expiring(SECRET, 60, parts.clock)
    token = tokens.issue(user_id)
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Any:
        raise AssertionError("nothing is to be received")

    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope: Any = {"type": "http", "method": "GET", "headers": headers, "state": {}}
    async with live_over(world, LiveLimits(heartbeat_seconds=0.001)) as live:
        stream = LiveStream(replace(parts, live=live, tokens=tokens), user_id, None, BEGINNING)
        view = world.has(queued(user_id=user_id))
        answering = asyncio.ensure_future(stream.to_asgi_response()(scope, receive, send))

        async def is_kept_alive() -> bool:
            return sum(body.startswith(b": still there") for body in sent) > 3

        await until(is_kept_alive)
        assert any(str(view.id).encode() in body for body in sent)
        assert not answering.done()
        tokens.has_expired = True
        async with asyncio.timeout(SECONDS_MAX):
            await answering
    assert sent[-1] == b""
