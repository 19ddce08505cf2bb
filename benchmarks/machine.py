"""What a benchmark ran on, in one line; figures of two machines are not to be compared."""

import os
import platform
from pathlib import Path

import psutil

from benchmarks.memory import MIB


def machine() -> str:
    memory_gib = psutil.virtual_memory().total / MIB / 1024
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    """The model's name as Linux tells it, or the architecture."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
