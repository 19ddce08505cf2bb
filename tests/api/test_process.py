"""The API as a process of its own: `python -m api`."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from api.server import raise_descriptor_limit
from embedded.ports import free_port
from infrastructure.settings import Settings, to_environment
from tests.api.rig import PASSWORD, sound
from tests.projections.running import until
from tests.stack.servers import Database
from tests.stack.waiting import END_SECONDS, START_SECONDS

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Served:
    process: asyncio.subprocess.Process
    settings: Settings
    tmp: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}/v1"

    def client(self, token: str = "") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Nobody speaks TLS here, and a client that may have to loads certificates for 40 ms.
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=60, trust_env=False, verify=False
        )

    def memory_bytes_max(self) -> int:
        """The most that was ever resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def spooled(self) -> list[Path]:
        return list(self.tmp.rglob("stenolog-upload-*"))

    async def logged_in(self) -> str:
        credentials = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
        async with self.client() as client:
            assert (await client.post("/auth/register", json=credentials)).status_code == 201
            return str((await client.post("/auth/login", json=credentials)).json()["token"])


async def launch(settings: Settings, tmp: Path, within: Sequence[str] = ()) -> asyncio.subprocess.Process:
    others = {name: value for name, value in os.environ.items() if not name.startswith("STENOLOG_")}
    environment = others | to_environment(settings) | {"TMPDIR": str(tmp)}
    return await asyncio.create_subprocess_exec(
        *within, sys.executable, "-m", "api", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )


@asynccontextmanager
async def served(settings: Settings, tmp: Path, within: Sequence[str] = ()) -> AsyncIterator[Served]:
    """`within` is a command that runs another."""
    here = replace(settings, port=free_port(), upload_max_bytes=256 * MIB, consistency_wait_seconds=0)
    server = Served(await launch(here, tmp, within), here, tmp)

    try:
        await until_it_answers(server)
        yield server
    finally:
        if server.process.returncode is None:
            server.process.kill()
        _, said = await server.process.communicate()
    assert b"ERROR api.errors" not in said


async def until_it_answers(server: Served) -> None:
    async with server.client() as client:

        async def answers() -> bool:
            assert server.process.returncode is None
            try:
                return (await client.get("/health/live")).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers, START_SECONDS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def unharmed(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One for all tests that leave it as it was, and without a traceback in what it says."""
    async with served(settings, tmp_path_factory.mktemp("unharmed")) as server:
        yield server
        server.process.terminate()
        _, said = await server.process.communicate()
        assert b"Traceback" not in said


@pytest.mark.parametrize("secret", ["", "too short"])
async def test_without_a_long_secret_it_does_not_start(
    settings: Settings, tmp_path: Path, secret: str
) -> None:
    process = await launch(replace(settings, jwt_secret=secret), tmp_path)
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().startswith("STENOLOG_JWT_SECRET: needs at least 32 characters")
    assert len(said.splitlines()) == 1


async def test_on_an_empty_database_it_says_what_to_do(
    postgres: Database, settings: Settings, tmp_path: Path
) -> None:
    name = f"empty_{uuid4().hex}"
    process = await launch(replace(settings, database_url=await postgres.create_database(name)), tmp_path)
    _, said = await process.communicate()
    await postgres.drop_database(name)
    assert process.returncode == 1
    assert said.decode().splitlines()[-1].endswith("run `stenolog migrate`")
    assert b"Traceback" not in said


async def test_a_store_nobody_can_mean_is_a_wrong_setting(settings: Settings, tmp_path: Path) -> None:
    process = await launch(replace(settings, object_store="ftp://somewhere"), tmp_path)
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().startswith("STENOLOG_OBJECT_STORE: begin it with file:// or s3://")


async def test_it_ends_cleanly_when_asked_to(settings: Settings, tmp_path: Path) -> None:
    async with served(settings, tmp_path) as server:
        server.process.terminate()
        async with asyncio.timeout(END_SECONDS):
            assert await server.process.wait() == 0


async def test_it_ends_in_time_while_somebody_uploads_for_ever(settings: Settings, tmp_path: Path) -> None:
    async with served(settings, tmp_path) as server:
        token = await server.logged_in()
        writer = await begin_upload(server, token)
        await until(lambda: _true(server.spooled()))
        server.process.terminate()
        async with asyncio.timeout(END_SECONDS):
            assert await server.process.wait() == 0
        writer.close()
        assert server.spooled() == []


async def test_what_a_killed_process_left_is_gone_once_the_next_one_answers(
    settings: Settings, tmp_path: Path
) -> None:
    async with served(settings, tmp_path) as server, served(settings, tmp_path) as neighbour:
        killed_writer = await begin_upload(server, await server.logged_in())
        await until(lambda: _true(server.spooled()))
        [left] = server.spooled()
        writer = await begin_upload(neighbour, await neighbour.logged_in())
        await until(lambda: _true(len(server.spooled()) == 2))
        server.process.kill()
        await server.process.wait()
        assert left.exists()
        async with served(settings, tmp_path):
            assert not left.exists()
            assert len(neighbour.spooled()) == 1
        killed_writer.close()
        writer.close()


async def test_a_client_that_leaves_takes_its_half_file_along(unharmed: Served) -> None:
    writer = await begin_upload(unharmed, await unharmed.logged_in())
    await until(lambda: _true(unharmed.spooled()))
    writer.transport.abort()
    await until(lambda: _true(not unharmed.spooled()))


async def test_a_large_upload_takes_no_memory(settings: Settings, tmp_path: Path) -> None:
    content = sound(7_000)  # 107 MiB
    async with served(settings, tmp_path) as server, server.client(await server.logged_in()) as client:
        await client.post("/files/upload", files={"file": ("short.wav", sound())})
        before = server.memory_bytes_max()
        answer = await client.post("/files/upload", files={"file": ("long.wav", content)})
        assert (answer.status_code, answer.json()["duration_seconds"]) == (201, 7_000)
        assert server.memory_bytes_max() - before < 32 * MIB
        assert server.spooled() == []


async def test_an_upload_that_says_it_is_too_long_is_refused_at_once(unharmed: Served) -> None:
    token = await unharmed.logged_in()
    reader, writer = await asyncio.open_connection("127.0.0.1", unharmed.settings.port)
    writer.write(upload_head(token, length=1 << 40))
    async with asyncio.timeout(END_SECONDS):
        assert b" 413 " in await reader.readline()
    writer.close()


async def begin_upload(server: Served, token: str) -> asyncio.StreamWriter:
    """Sends a little of a large file, and then nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.settings.port)
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    writer.write(upload_head(token, length=100 * MIB) + part + bytes(MIB))
    await writer.drain()
    return writer


def upload_head(token: str, length: int) -> bytes:
    return (
        "POST /v1/files/upload HTTP/1.1\r\nHost: stenolog\r\n"
        f"Authorization: Bearer {token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


async def _true(value: object) -> bool:
    return bool(value)


@pytest.mark.slow
async def test_five_thousand_idle_connections_change_nothing_for_others(
    settings: Settings, tmp_path: Path
) -> None:
    raise_descriptor_limit()
    async with served(settings, tmp_path) as server, server.client(await server.logged_in()) as client:
        assert (await client.get("/files")).status_code == 200
        memory_bytes = server.memory_bytes_max()
        idle = [await silent_connection(server, half=number % 2 == 0) for number in range(5_000)]
        try:
            answers = [await client.get("/files") for _ in range(50)]
            answers.append(await client.post("/files/upload", files={"file": ("short.wav", sound())}))
            async with server.client() as newcomer:
                answers.append(await newcomer.get("/health/live"))
        finally:
            for each in idle:
                each.close()
        assert {answer.status_code for answer in answers} == {200, 201}
        assert server.memory_bytes_max() - memory_bytes < 128 * MIB


async def silent_connection(server: Served, *, half: bool) -> socket.socket:
    each = socket.socket()
    each.setblocking(False)
    await asyncio.get_running_loop().sock_connect(each, ("127.0.0.1", server.settings.port))
    if half:
        with contextlib.suppress(ConnectionError):
            each.send(b"GET /v1/fil")
    return each
