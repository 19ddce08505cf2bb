"""Apache Flink on this machine: its jars, fetched once into the cache folder, and its SQL client with a cluster in the same process."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from embedded.jars import JarsUnreachable, fetch_with_jgo, pinned_jars, provide_jars
from infrastructure.cache import cache_folder
from tests.examples.programs import EXAMPLES, Answer, bare_environment, run_to_its_end

FOLDER: Final = EXAMPLES / "flink"
VERSION: Final = "2.3.0"
JAVA_VERSIONS: Final = range(11, 22)
"""What Flink 2.3 runs on."""
INSTALL_SECONDS: Final = 300.0
SECONDS: Final = 240.0
"""Half a minute of work, on a machine with much else to do."""
CONFIGURATION: Final = """
execution: {target: local}
parallelism: {default: 1}
rest: {address: 127.0.0.1, bind-address: 127.0.0.1}
taskmanager: {numberOfTaskSlots: 2}
"""


def provided_flink() -> list[Path]:
    """The folders that its jars are in. Skips, saying why, where it cannot be had."""
    if not _has_java():
        pytest.skip("Flink is not run: there is no Java 11 to 21 on this machine")
    folder = cache_folder() / f"flink-{VERSION}"
    try:
        if not folder.exists():
            _install(folder)
        jars = cache_folder() / f"flink-{VERSION}-jars"
        provide_jars(jars, pinned_jars(FOLDER / "jars.txt"), fetch_with_jgo, lambda _done, _of: None)
    except (JarsUnreachable, subprocess.SubprocessError, OSError) as problem:
        pytest.skip(f"Flink is not run: it cannot be fetched: {problem}")
    return [folder / "pyflink" / "lib", folder / "pyflink" / "opt", jars]


async def run_sql(flink: list[Path], script: Path) -> Answer:
    """Returns when the job has ended."""
    configuration = script.parent / "config.yaml"
    configuration.write_text(CONFIGURATION)
    command = ["java", "-Xmx700m", "-cp", os.pathsep.join(f"{each}/*" for each in flink)]
    command += ["org.apache.flink.table.client.SqlClient", "embedded", "-f", str(script)]
    environment = bare_environment() | {"FLINK_CONF_DIR": str(script.parent), "TERM": "dumb"}
    return await run_to_its_end(*command, environment=environment, seconds=SECONDS)


def _has_java() -> bool:
    if shutil.which("java") is None:
        return False
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return found is not None and int(found[1]) in JAVA_VERSIONS


def _install(folder: Path) -> None:
    """Whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".flink-", dir=folder.parent) as incoming:
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        command += ["--target", f"{incoming}/flink", "-r", str(FOLDER / "requirements.txt")]
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS, capture_output=True)
        Path(incoming, "flink").rename(folder)
