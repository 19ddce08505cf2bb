"""The peers of our HTTP API: an environment of their own for those with other packages, and a database each."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import asyncpg
import psutil
from msgspec import Struct

FOLDER: Final = Path(__file__).parent / "peers"
ENVIRONMENT: Final = Path(sys.prefix) / "peers"
"""Inside of our own, which is thrown away with it; neither sees the packages of the other."""
LOCK: Final = FOLDER / "requirements.txt"
START_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 10.0

GUIDE: Final = "guide"
FASTAPI: Final = "fastapi"
HANDLER: Final = "handler"
BARE: Final = "bare"
SETTINGS: Final = {
    GUIDE: "Flask, SQLAlchemy and psycopg2 behind gunicorn with 5 processes (twice the cores and one, as it advises) of 4 threads, "
    "connections kept; a pool of 8 each",
    FASTAPI: "FastAPI and SQLAlchemy's asyncio over asyncpg behind uvicorn with uvloop and httptools, 2 processes, a pool of 16 each",
    HANDLER: "Litestar on our server, one process: pyjwt, one query by asyncpg, nothing else of ours",
    BARE: "the same with an answer that is known, no token and no query",
}


class Peer(Struct, frozen=True):
    port: int
    process: psutil.Process


async def provide_environment() -> Path:
    """Its Python; made when it is not there or its lock is another one."""
    stamp = ENVIRONMENT / ".installed"
    digest = sha256(LOCK.read_bytes()).hexdigest()
    python = ENVIRONMENT / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != digest:
        print("installing the peers' packages (half a minute the first time)", flush=True)
        await _run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        await _run(*pip, "--require-hashes", "-r", str(LOCK))
        stamp.write_text(digest)
    return python


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    if code := await process.wait():
        raise RuntimeError(f"{command[:4]} ended with {code}")


async def create_database(server_url: str, name: str) -> str:
    """One with the guide's tables; returns its URL."""
    admin = await asyncpg.connect(server_url)
    try:
        await admin.execute(f'create database "{name}"')
    finally:
        await admin.close()
    url = f"{server_url.rpartition('/')[0]}/{name}"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute((FOLDER / "tables.sql").read_text(encoding="utf-8"))
    finally:
        await connection.close()
    return url


@asynccontextmanager
async def serving(
    name: str, python: Path, database_url: str, secret: str, folder: Path
) -> AsyncIterator[Peer]:
    """One peer, until the context is left; what it says is in `folder`."""
    port = free_port()
    uploads = folder / f"{name}-uploads"
    uploads.mkdir()
    environment = os.environ | {
        "PEER_DATABASE": database_url,
        "PEER_SECRET": secret,
        "PEER_FOLDER": str(uploads),
    }
    is_ours = name in (HANDLER, BARE)
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_command(name, python, port),
            cwd=FOLDER.parents[1] if is_ours else FOLDER,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        await _until_answering(port, process, folder / f"{name}.log")
        yield Peer(port, psutil.Process(process.pid))
    finally:
        await end(process)


def _command(name: str, python: Path, port: int) -> Sequence[str]:
    module = [str(python), "-m"]
    kept = ["--worker-class", "gthread", "--threads", "4", "--keep-alive", "75"]
    return {
        GUIDE: [*module, "gunicorn", "--workers", "5", *kept, "--bind", f"127.0.0.1:{port}", "guide:app"],
        FASTAPI: [
            *module, "uvicorn", "--workers", "2", "--loop", "uvloop", "--http", "httptools",
            "--no-access-log", "--port", str(port), "fast:app",
        ],
        HANDLER: [sys.executable, "-m", "benchmarks.http_bare", HANDLER, str(port)],
        BARE: [sys.executable, "-m", "benchmarks.http_bare", BARE, str(port)],
    }[name]  # fmt: skip


async def _until_answering(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    raise RuntimeError(f"a peer did not start: {log.read_text(errors='replace')[-2000:]}")


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
