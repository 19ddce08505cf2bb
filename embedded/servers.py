"""What the launchers of all servers have in common: a start with a deadline, a clean stop, a sudden end."""

import asyncio
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from embedded.processes import Child, Command, last_words, run
from embedded.processes import start as start_child
from infrastructure.mendable import Mendable
from infrastructure.process import SETTINGS_EXIT_CODE
from infrastructure.settings import InvalidSetting


class StartFailed(Mendable):
    """A server ended while starting, or was not ready in time; the message has the last words of its log."""

    def __init__(self, name: str, why: str, log: Path) -> None:
        super().__init__(f"{name} {why} (see {log}): {last_words(log) or 'without a word'}")


class Misconfigured(StartFailed, InvalidSetting):
    """A process cannot work with its settings; its last words are which one."""


async def run_once(name: str, command: Command, deadline_seconds: float) -> None:
    """Runs a command that has to end well. Raises StartFailed or Misconfigured."""
    try:
        code = await run(command, deadline_seconds)
    except TimeoutError:
        raise StartFailed(name, f"had not ended after {deadline_seconds:.0f} s", command.log) from None
    if code:
        kind = Misconfigured if code == SETTINGS_EXIT_CODE else StartFailed
        raise kind(name, f"ended with code {code}", command.log)


class Server(ABC):
    """A program that can be started again and again on the same folder and ports."""

    name: str
    ready_seconds: float = 60.0
    """How long it may take until it answers."""
    others_need_it: bool = True
    """Whether it has to outlive what was started after it."""
    misconfigured_code: int | None = None
    """The exit code that says its settings cannot work, so that another start would not help."""

    def __init__(self) -> None:
        self._child: Child | None = None

    @abstractmethod
    async def prepare(self) -> None:
        """What has to be there before the program runs; repeats are harmless."""

    @abstractmethod
    def command(self) -> Command: ...

    @abstractmethod
    async def answers(self) -> bool:
        """Whether the running program is ready for its clients."""

    @property
    def pid(self) -> int | None:
        """Of the running process; None while there is none."""
        return self._child.pid if self._child and not self._child.ended else None

    async def start(self) -> None:
        """Returns when the program answers. Raises StartFailed."""
        assert self.pid is None, f"{self.name} is running"
        await self.prepare()
        self._child = await start_child(self.command())
        try:
            await self._wait_until_ready(self._child)
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> int:
        """Waits for the end of the running process and returns its exit code."""
        assert self._child is not None, f"{self.name} was never started"
        return await self._child.wait()

    async def stop(self) -> None:
        """Ends it cleanly; stopping what does not run is fine."""
        if self._child is not None:
            await self._child.stop()

    def kill(self) -> None:
        """Ends it as an accident would."""
        if self._child is not None:
            self._child.kill()

    async def _wait_until_ready(self, child: Child) -> None:
        log = self.command().log
        try:
            async with asyncio.timeout(self.ready_seconds):
                while not await self.answers():
                    if child.ended:
                        raise StartFailed(
                            self.name, f"ended with code {await child.wait()} while starting", log
                        )
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise StartFailed(self.name, f"was not ready after {self.ready_seconds:.0f} s", log) from None


async def broker_answers(bootstrap: str) -> bool:
    """True once the broker lists its topics."""
    return await _listens(bootstrap) and await _lists_topics(bootstrap)


async def _listens(bootstrap: str) -> bool:
    """Asked first, because the client logs each refused connection as an error."""
    host, _, port = bootstrap.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _lists_topics(bootstrap: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        await admin.start()
        await admin.list_topics()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return True


class NotInstalled(Mendable):
    def __init__(self, package: str) -> None:
        super().__init__(
            f"{package} is not installed: pip install 'stenolog[embedded]', or `make install` in a checkout"
        )


def folder_of(package: str) -> Path:
    """Where the package's files lie, found without importing it, since some start things. Raises NotInstalled."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise NotInstalled(package.replace("_", "-"))
    return Path(spec.origin).parent
