"""The embedded PostgreSQL keeps what it was given, through stops, kills and bad luck."""

import os
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import pytest_asyncio

from embedded.postgres import Postgres
from embedded.servers import StartFailed


@pytest.fixture
def folder() -> Iterator[Path]:
    """Closed to everybody else, as temporary folders are: PostgreSQL has to get there all the same."""
    with tempfile.TemporaryDirectory(prefix="stenolog-") as folder:
        yield Path(folder)


@pytest_asyncio.fixture
async def server(folder: Path) -> AsyncIterator[Postgres]:
    server = Postgres(folder / "postgres", folder / "postgres.log")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_what_was_stored_survives_a_stop(server: Postgres) -> None:
    await _store(server)
    await server.stop()
    await server.start()
    assert await _stored(server) == [7]


async def test_what_was_stored_survives_a_kill(server: Postgres) -> None:
    await _store(server)
    server.kill()
    await server.wait()
    await server.start()
    assert await _stored(server) == [7]


async def test_a_clean_stop_is_a_shutdown_not_a_crash(server: Postgres, folder: Path) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    await server.stop()
    assert "database system is shut down" in (folder / "postgres.log").read_text()
    connection.terminate()


async def test_a_pid_file_that_names_a_stranger_is_no_obstacle(server: Postgres, folder: Path) -> None:
    await server.stop()
    (folder / "postgres" / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n/elsewhere\n")
    await server.start()
    assert server.pid is not None


async def test_a_server_left_on_the_same_cluster_makes_way(server: Postgres, folder: Path) -> None:
    successor = Postgres(folder / "postgres", folder / "successor.log")
    predecessor = server.pid
    await successor.start()
    try:
        assert predecessor is not None
        assert not psutil.pid_exists(predecessor)
    finally:
        await successor.stop()


async def test_without_the_password_nobody_gets_in(server: Postgres) -> None:
    user, _, address = server.url("postgres").rpartition("@")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"{user.rpartition(':')[0]}:guess@{address}")


async def test_the_folder_is_closed_to_others(server: Postgres, folder: Path) -> None:
    assert server.pid is not None
    assert stat.S_IMODE((folder / "postgres").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "postgres" / "password").stat().st_mode) == 0o600


async def test_an_interrupted_initdb_is_done_again(folder: Path) -> None:
    (folder / "postgres" / "cluster.unfinished").mkdir(parents=True)
    (folder / "postgres" / "cluster.unfinished" / "PG_VERSION").write_text("18\n")
    server = Postgres(folder / "postgres", folder / "postgres.log")
    await server.start()
    await server.stop()
    assert not (folder / "postgres" / "cluster.unfinished").exists()


async def test_why_a_server_does_not_start_is_said(server: Postgres, folder: Path) -> None:
    await server.stop()
    (folder / "postgres" / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(StartFailed, match=r"(?s)PostgreSQL ended with code \d+ while starting.*pg_control"):
        await server.start()


async def _store(server: Postgres) -> None:
    connection = await asyncpg.connect(await server.create_database("kept"))
    await connection.execute("create table numbers (number integer)")
    await connection.execute("insert into numbers values (7)")
    await connection.close()


async def _stored(server: Postgres) -> list[int]:
    connection = await asyncpg.connect(server.url("kept"))
    rows = await connection.fetch("select number from numbers")
    await connection.close()
    return [row["number"] for row in rows]


@pytest.mark.parametrize("umask", [0, 0o077], ids=oct)
async def test_it_starts_and_keeps_to_itself_whatever_the_umask(folder: Path, umask: int) -> None:
    server = Postgres(folder / "data" / "postgres", folder / "postgres.log")
    before = os.umask(umask)
    try:
        await server.start()
        await _store(server)
    finally:
        os.umask(before)
        await server.stop()
    made = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder / "data" / "postgres").iterdir()
    }
    assert (made["cluster"], made["password"]) == (0o700, 0o600)
    assert stat.S_IMODE((folder / "data" / "postgres").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "postgres.log").stat().st_mode) == 0o600
