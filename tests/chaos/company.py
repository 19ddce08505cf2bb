"""Additional processes beside those of `stenolog up`: killed as they are, and started again at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from embedded.ports import free_port
from embedded.product import Process
from embedded.readiness import wait_until_ready
from embedded.supervisor import Say
from infrastructure.processes import PROCESSES
from infrastructure.settings import PREFIX, Settings, read_settings
from tests.chaos.faults import second
from tests.end_to_end.installation import Installation
from tests.infrastructure.postgres.wire import Wire

RESTART_SECONDS: Final = 0.05
"""Keeps a process that cannot start from taking the machine for itself."""


class Company:
    """One more of each process. `ends` counts how they ended when nobody killed them; they reach PostgreSQL by `line`."""

    def __init__(self, settings: Settings, line: Wire, logs: Path) -> None:
        self.settings = settings
        self.line = line
        self.servers: Mapping[str, Process] = {
            second(name): Process(name, settings, logs / f"{second(name)}.log") for name in PROCESSES
        }
        self.ends: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://{self.settings.host}:{self.settings.port}"

    async def keep_running(self, name: str) -> None:
        server = self.servers[name]
        while True:
            await server.start()
            code = await server.wait()
            if code != -9:
                self.ends[f"{name} with code {code}"] += 1
            await asyncio.sleep(RESTART_SECONDS)


@asynccontextmanager
async def company_of(
    running: Installation, variables: Mapping[str, object], say: Say
) -> AsyncIterator[Company]:
    """They run until the context is left, with the settings that `up` was started with. Yields when they are ready."""
    async with Wire(running.addresses.database_url).open() as line, asyncio.TaskGroup() as watchers:
        company = Company(_settings(running, line, variables), line, running.folder.logs)
        tasks = [watchers.create_task(company.keep_running(name)) for name in company.servers]
        try:
            await wait_until_ready(company.url, running.folder.logs, say)
            yield company
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.gather(*(server.stop() for server in company.servers.values()))


def _settings(running: Installation, line: Wire, variables: Mapping[str, object]) -> Settings:
    environment = {f"{PREFIX}{name.upper()}": str(value) for name, value in variables.items()}
    return msgspec.structs.replace(
        read_settings(environment),
        database_url=line.url,
        kafka_bootstrap=running.addresses.kafka_bootstrap,
        object_store=running.addresses.object_store,
        jwt_secret=running.folder.jwt_secret(),
        master_keys=running.folder.master_keys(),
        seal_keys=running.folder.seal_key(),
        port=free_port(),
    )
