"""A real disk of a megabyte, which only one process sees."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

IN_ITS_OWN_MOUNTS: Final = ("unshare", "--user", "--map-root-user", "--mount")


def may_mount() -> bool:
    trial = [*IN_ITS_OWN_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(trial, check=False).returncode == 0


def on_a_small_disk(folder: Path) -> list[str]:
    """Before a command: it sees a disk of a megabyte at `folder`."""
    mount = f"mount -t tmpfs -o size=1m none '{folder}' && exec \"$@\""
    return [*IN_ITS_OWN_MOUNTS, "sh", "-c", mount, "sh"]
