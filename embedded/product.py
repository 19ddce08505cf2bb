"""Stenolog's own processes as children: `python -m api` and its siblings, with the settings they need."""

import sys
from pathlib import Path

from embedded.processes import Command
from embedded.servers import Server
from infrastructure.process import SETTINGS_EXIT_CODE
from infrastructure.processes import PROCESSES, with_settings
from infrastructure.settings import Settings


class Process(Server):
    """One of PROCESSES. It counts as started when it runs; whether the whole is ready, the API says."""

    others_need_it = False
    misconfigured_code = SETTINGS_EXIT_CODE

    def __init__(self, name: str, settings: Settings, log: Path) -> None:
        super().__init__()
        self.name = name
        self._command = module_command([PROCESSES[name]], settings, log)

    async def prepare(self) -> None:
        """Nothing: the stack did."""

    def command(self) -> Command:
        return self._command

    async def answers(self) -> bool:
        return True


def module_command(module: tuple[str, ...] | list[str], settings: Settings, log: Path) -> Command:
    """`python -m` with these settings."""
    return Command(
        arguments=[sys.executable, "-m", *module],
        environment=with_settings(settings),
        log=log,
        stop_seconds=12.0,  # each ends within 10 s of being asked
    )
