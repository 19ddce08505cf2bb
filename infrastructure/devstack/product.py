"""Stenolog's own processes as children: `python -m api` and its siblings, with the settings they need."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import infrastructure
from infrastructure.devstack.processes import Command
from infrastructure.devstack.servers import Server
from infrastructure.settings import PREFIX, Settings, to_environment

ROOT: Final = Path(infrastructure.__file__).resolve().parents[1]
"""Goes before everything else on the path, since our packages have generic names that others use as well."""

PROCESSES: Final[Mapping[str, str]] = {
    "relay": "infrastructure.relay",
    "project": "projections",
    "dispatch": "commands",
    "work": "inference_worker",
    "api": "api",
}
"""Name on the command line and module, in the order in which they start."""

MIGRATIONS: Final = (
    ("infrastructure.postgres",),
    ("projections", "migrate"),
    ("commands", "migrate"),
)
"""Module and arguments; run one after the other."""

MISCONFIGURED: Final = 2
"""How our processes end when a setting is wrong."""


def product_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Ours, with the checkout first on the path."""
    path = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    return {**environment, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def with_settings(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a child that is to have exactly these settings."""
    others = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    return product_environment(others) | to_environment(settings)


class Process(Server):
    """One of PROCESSES. It counts as started when it runs; whether the whole is ready, the API says."""

    others_need_it = False
    misconfigured_code = MISCONFIGURED

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
