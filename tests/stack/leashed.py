"""Processes of a test that end with it, also when the test's own process is killed, as workers are at a Ctrl-C."""

import os
import signal
import sys
from pathlib import Path
from typing import Final

import embedded.leash

_LEASH: Final = str(Path(embedded.leash.__file__))


def leashed(*command: str) -> list[str]:
    """The command line that runs `command`, by its path, and has it told to end when this process dies."""
    as_we_are = ("0", "-1", "-1", "-")
    return [
        sys.executable,
        "-I",
        "-S",
        _LEASH,
        str(os.getpid()),
        str(int(signal.SIGTERM)),
        *as_we_are,
        *command,
    ]
