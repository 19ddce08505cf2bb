"""Several API processes behind one port: real ones, killed and ended."""

import asyncio
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from infrastructure.settings import Settings
from tests.api.rig import sound
from tests.api.test_process import Served, begin_upload, launch, served
from tests.projections.running import until
from tests.stack.waiting import END_SECONDS

WORKERS = 2
REQUESTS = 40
CLIENTS = 16


@asynccontextmanager
async def both(settings: Settings, tmp: Path) -> AsyncIterator[Served]:
    async with served(replace(settings, api_workers=WORKERS), tmp) as server:

        async def it_is_ready() -> bool:
            return await status_of(server, "/health/ready") == 200

        await until(it_is_ready)
        yield server


async def status_of(server: Served, path: str, token: str = "") -> int:
    """On a connection of its own, so that any of the processes may answer."""
    async with server.client(token) as client:
        try:
            return (await client.get(path)).status_code
        except httpx.TransportError:
            return 0


def workers_of(server: Served) -> list[psutil.Process]:
    """Those that live."""
    found = []
    for each in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # It ended just now, or nobody has waited for it yet.
            if "api.worker" in each.cmdline():
                found.append(each)
    return found


def listeners_of(server: Served) -> list[psutil.Process]:
    found = []
    for each in workers_of(server):
        with suppress(psutil.NoSuchProcess):
            if listens(each, server.settings.port):
                found.append(each)
    return found


def listens(process: psutil.Process, port: int) -> bool:
    sockets = process.net_connections("tcp")
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)


async def two_listen(server: Served) -> bool:
    return len(listeners_of(server)) == WORKERS


def spool_of(process: psutil.Process, server: Served) -> list[Path]:
    """Uploads whose files the process has open."""
    names = {Path(each.path).parent for each in process.open_files()}
    return [each for each in server.spooled() if each in names]


async def test_a_process_killed_under_load_breaks_connections_and_no_answer_is_wrong(
    settings: Settings, tmp_path: Path
) -> None:
    async with both(settings, tmp_path) as server:
        token = await server.logged_in()
        killed, kept = listeners_of(server)
        seen: Counter[int] = Counter()
        async with asyncio.TaskGroup() as clients:
            asking = [clients.create_task(ask_on(server, token, seen)) for _ in range(CLIENTS)]
            await until(lambda: _true(seen[200] > CLIENTS))
            killed.kill()
            answered = seen[200]
            await until(lambda: _true(seen[200] > answered + CLIENTS))

            async def a_new_one_came() -> bool:
                pids = {each.pid for each in listeners_of(server)}
                return kept.pid in pids and len(pids) == WORKERS

            await until(a_new_one_came)
            for each in asking:
                each.cancel()
        assert set(seen) <= {0, 200}
        assert seen[0] <= CLIENTS
        assert {await status_of(server, "/files", token) for _ in range(REQUESTS)} == {200}


async def ask_on(server: Served, token: str, seen: Counter[int]) -> None:
    """Again and again, on a connection that is kept until it breaks; 0 stands for that."""
    async with server.client(token) as client:
        while True:
            try:
                seen[(await client.get("/files")).status_code] += 1
            except httpx.TransportError:
                seen[0] += 1


async def test_an_account_of_one_is_known_to_the_other(settings: Settings, tmp_path: Path) -> None:
    async with both(settings, tmp_path) as server:
        token = await server.logged_in()
        assert {await status_of(server, "/files", token) for _ in range(REQUESTS)} == {200}


async def test_a_user_has_so_many_uploads_in_both_together(settings: Settings, tmp_path: Path) -> None:
    async with both(replace(settings, uploads_per_user=4), tmp_path) as server:
        token = await server.logged_in()
        writers = [await begin_upload(server, token) for _ in range(4)]
        await until(lambda: _true(len(server.spooled()) == 4))
        for _ in range(8):
            async with server.client(token) as client:
                refused = await client.post("/files/upload", files={"file": ("a.wav", sound())})
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
        for each in writers:
            each.close()
        await until(lambda: _true(not server.spooled()))
        async with server.client(token) as client:
            taken = await client.post("/files/upload", files={"file": ("a.wav", sound())})
        assert taken.status_code == 201


async def test_uploads_of_a_killed_process_are_gone_and_free_their_user(
    settings: Settings, tmp_path: Path
) -> None:
    async with both(replace(settings, uploads_per_user=6), tmp_path) as server:
        token = await server.logged_in()
        writers = [await begin_upload(server, token) for _ in range(6)]
        await until(lambda: _true(len(server.spooled()) == 6))
        killed, kept = listeners_of(server)
        left, going_on = spool_of(killed, server), spool_of(kept, server)
        assert len(left) + len(going_on) == 6
        killed.kill()
        await until(lambda: two_listen(server))
        assert set(server.spooled()) == set(going_on)
        writers += [await begin_upload(server, token) for _ in left]
        await until(lambda: _true(len(server.spooled()) == 6))
        for each in writers:
            each.close()


async def test_whichever_is_asked_the_counts_are_of_both(settings: Settings, tmp_path: Path) -> None:
    async with both(settings, tmp_path) as server:
        token = await server.logged_in()
        before = await counted(server)
        for _ in range(REQUESTS):
            assert await status_of(server, "/files", token) == 200
        assert {await counted(server) for _ in range(8)} == {before + REQUESTS}
        listeners_of(server)[0].kill()
        await until(lambda: two_listen(server))
        assert {await counted(server) for _ in range(8)} == {before + REQUESTS}


async def counted(server: Served) -> float:
    """Answers to queries for files."""
    families = await scraped(server)
    pids = {labels["process"] for name, labels, _ in families if name == "process_cpu_seconds_total"}
    assert pids == {"0", "1"}
    route = {"method": "GET", "route": "/v1/files", "status": "200"}
    return sum(
        value
        for name, labels, value in families
        if (name, labels) == ("stenolog_http_requests_total", route)
    )


async def scraped(server: Served) -> list[tuple[str, dict[str, str], float]]:
    async with server.client() as client:
        text = (await client.get(f"http://127.0.0.1:{server.settings.port}/metrics")).text
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


async def test_told_to_end_all_end_while_somebody_uploads_for_ever(
    settings: Settings, tmp_path: Path
) -> None:
    async with both(settings, tmp_path) as server:
        writer = await begin_upload(server, await server.logged_in())
        await until(lambda: _true(server.spooled()))
        workers = workers_of(server)
        server.process.terminate()
        async with asyncio.timeout(END_SECONDS):
            assert await server.process.wait() == 0
        assert not any(each.is_running() for each in workers)
        writer.close()
        assert list(tmp_path.glob("stenolog-api-*/*")) == []


async def test_nothing_is_left_of_a_killed_supervisor(settings: Settings, tmp_path: Path) -> None:
    async with both(settings, tmp_path) as server:
        workers = workers_of(server)
        server.process.kill()
        await server.process.wait()
        await until(lambda: _true(not any(_lives(each) for each in workers)))
        async with served(settings, tmp_path):
            assert len(list(tmp_path.glob("stenolog-api-*/*.lock"))) == 1


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


async def test_a_port_that_is_taken_is_told_in_one_line(settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await launch(replace(settings, api_workers=WORKERS, port=port), tmp_path)
        _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().startswith(f"cannot listen on 127.0.0.1:{port}")
    assert len(said.splitlines()) == 1


async def test_what_keeps_one_from_starting_ends_all(settings: Settings, tmp_path: Path) -> None:
    wrong = replace(settings, api_workers=WORKERS, object_store="ftp://somewhere")
    process = await launch(wrong, tmp_path)
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().count("STENOLOG_OBJECT_STORE: begin it with") == 1
    assert b"Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_process_that_hangs_does_not_keep_the_others_from_ending(
    settings: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    async with both(settings, tmp_path) as server:
        workers = workers_of(server)
        workers[0].suspend()
        server.process.send_signal(number)
        async with asyncio.timeout(END_SECONDS):
            assert await server.process.wait() == 0
        await until(lambda: _true(not any(_lives(each) for each in workers)))


async def _true(value: object) -> bool:
    return bool(value)
