"""Which processes Stenolog consists of, and what they are started with."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import infrastructure
from infrastructure.settings import PREFIX, Settings, to_environment

ROOT: Final = Path(infrastructure.__file__).resolve().parents[1]
"""Goes before everything else on the path, since our packages have generic names that others use as well."""

PROCESSES: Final[Mapping[str, str]] = {
    "relay": "relay",
    "project": "projections",
    "dispatch": "dispatcher",
    "work": "inference_worker",
    "seal": "evidence",
    "api": "api",
}
"""Name on the command line and module, in the order in which they start."""

MIGRATE: Final = "cli.migrations"
"""The module that brings a database to this version."""


def product_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Ours, with the checkout first on the path."""
    path = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    return {**environment, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def with_settings(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a child that is to have exactly these settings."""
    others = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    return product_environment(others) | to_environment(settings)
