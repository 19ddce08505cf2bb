"""A whole Stenolog as a user starts it, `stenolog up`, with the means to kill any part of it."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import psutil

from embedded.kafka import ApacheKafka
from embedded.leftovers import Recorded
from embedded.noida import Noida
from embedded.stack_folder import Addresses, StackFolder
from infrastructure.settings import Settings
from tests.end_to_end.database import Database
from tests.stack.leashed import leashed

BROKERS = {ApacheKafka.name, Noida.name}
START_SECONDS = 120.0
STOP_SECONDS = 45.0
RESTART_SECONDS = 75.0
"""What `up` itself allows: a pause of 10 s, and a minute until the successor answers."""
INTERNAL_ERROR = re.compile(r".*request [0-9a-f-]{36} failed: .*")
"""What an API process says of a request that it answered with 500."""


class Installation:
    """`addresses` says where everything is, `settings` what the processes were started with."""

    def __init__(self, folder: StackFolder, process: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self.process = process

    @property
    def addresses(self) -> Addresses:
        return self.folder.addresses()

    @property
    def url(self) -> str:
        return self.addresses.api_url

    @property
    def settings(self) -> Settings:
        return Settings(
            database_url=self.addresses.database_url,
            kafka_bootstrap=self.addresses.kafka_bootstrap,
            object_store=self.addresses.object_store,
            master_keys=self.folder.master_keys(),
        )

    @property
    def forgetful(self) -> bool:
        """Whether the broker loses what it acknowledged when it is killed."""
        return Noida.name in self.processes()

    def processes(self) -> Mapping[str, Recorded]:
        """By name, as `up` records them for whoever cleans up after it."""
        return msgspec.json.decode(self.folder.processes.read_bytes(), type=dict[str, Recorded])

    async def kill(self, name: str) -> None:
        """Sends SIGKILL, and then waits until `up` has started a successor; `Kafka` is whichever broker runs."""
        if name == "Kafka":
            (name,) = BROKERS & self.processes().keys()
        victim = self.processes()[name]
        os.kill(victim.pid, signal.SIGKILL)
        await eventually(
            lambda: self.processes().get(name, victim) != victim, RESTART_SECONDS, f"{name} restarts"
        )

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        connection = await asyncpg.connect(self.addresses.database_url, timeout=10, command_timeout=60)
        try:
            yield connection
        finally:
            await connection.close()


async def stop(running: Installation) -> None:
    """Ends it as Ctrl-C would, and expects a clean end, and that no request met an internal error."""
    running.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(STOP_SECONDS):
        code = await running.process.wait()
    assert code == 0, f"stenolog up ended with {code}: {(running.folder.path / 'up.out').read_text()}"
    assert not (said := internal_errors(running)), "\n".join(said)


def internal_errors(running: Installation) -> list[str]:
    logs = running.folder.logs.glob("api.log*")
    return [line for log in logs for line in INTERNAL_ERROR.findall(log.read_text(errors="replace"))]


async def start(folder: Path, **settings: object) -> Installation:
    """Returns when `up` says that everything is ready."""
    variables = {f"STENOLOG_{name.upper()}": str(value) for name, value in settings.items()}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "up.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *leashed(str(Path(sys.executable).with_name("stenolog")), "up", "--port=0", f"--data={folder}"),
            env={**os.environ, **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    running = Installation(StackFolder(folder), process)

    def ready() -> bool:
        assert process.returncode is None, (folder / "up.out").read_text()
        return (folder / "addresses.json").exists()

    await eventually(ready, START_SECONDS, "stenolog up is ready")
    return running


async def eventually(satisfied: Callable[[], bool], deadline_seconds: float, what: str) -> None:
    """Waits for a condition; fails when it does not come true in time."""
    ends_at = time.monotonic() + deadline_seconds
    while not satisfied():
        assert time.monotonic() < ends_at, f"not within {deadline_seconds} s: {what}"
        await asyncio.sleep(0.05)


def has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
