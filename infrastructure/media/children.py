"""How child processes are started: nothing of ours but the path to our code, and nothing that is secret."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_PASSED_ON: Final = ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR")


def child_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Runs a module of ours with this interpreter; its first argument is our pid, for `end_with_parent`."""
    return (sys.executable, "-P", "-s", "-B", "-m", module, str(os.getpid()), *arguments)


def child_environment(**extra: str) -> Mapping[str, str]:
    """No settings (they hold secrets), no proxy, one thread per library."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {"PYTHONPATH": str(_ROOT), **threads, **passed, **extra}
