"""Keeps the log files of a running system from growing without end."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from infrastructure.private_files import open_private

FILE_BYTES_MAX: Final = 10 * 1024 * 1024
_EVERY_SECONDS: Final = 10.0


async def keep_small(folder: Path, bytes_max: int = FILE_BYTES_MAX) -> None:
    """Never returns; a log over the limit moves to `<name>.log.1`, of which there is one."""
    while True:
        await asyncio.to_thread(cut_logs, folder, bytes_max)
        await asyncio.sleep(_EVERY_SECONDS)


def cut_logs(folder: Path, bytes_max: int) -> None:
    """Copies and empties instead of renaming, since the writers hold the files open and only append."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > bytes_max:
            kept = log.with_name(f"{log.name}.1")
            open_private(kept, "wb").close()
            shutil.copyfile(log, kept)
            os.truncate(log, 0)
