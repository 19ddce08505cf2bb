"""Verifiers that others wrote: tessera's fsck, which is built where Go is, and what it says of a log that is served."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from msgspec.structs import replace

from embedded.ports import free_port
from embedded.product import Process
from tests.evidence.logs import SealedLog
from tests.evidence.serving import TOKEN, served_settings
from tests.infrastructure.kafka.messages import until

FSCK: Final = "github.com/transparency-dev/tessera/cmd/fsck@v1.0.4"
BUILD_SECONDS: Final = 420.0
FSCK_SECONDS: Final = 60.0
WORKERS: Final = "16"
"""Each ends at the first tile that is wrong, and without any left fsck 1.0.4 waits for ever."""


def built_fsck(folder: Path) -> Path:
    """Skips, saying why, where it cannot be built."""
    if shutil.which("go") is None:
        pytest.skip("tessera's fsck is not run: there is no Go on this machine")
    environment = os.environ | {"GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"}
    built = subprocess.run(
        ["go", "install", FSCK],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False,
    )  # fmt: skip
    if built.returncode:
        pytest.skip(
            f"tessera's fsck is not run: it cannot be built here: {built.stderr.strip().splitlines()[-1:]}"
        )
    return folder / "fsck"


@asynccontextmanager
async def http_served(log: SealedLog, folder: Path) -> AsyncIterator[str]:
    """The address of partition 0's log, served by a real API process."""
    settings = replace(await served_settings(log), port=free_port())
    url = f"http://127.0.0.1:{settings.port}/evidence/0"
    process = Process("api", settings, folder / "api.log")
    await process.start()
    try:
        async with httpx.AsyncClient() as client:

            async def is_served() -> bool:
                try:
                    return (await client.get(f"{url}/checkpoint")).status_code == httpx.codes.OK
                except httpx.TransportError:
                    return False

            await until(is_served)
        yield url
    finally:
        await process.stop()


async def fsck_says(fsck: Path, url: str, key: str, folder: Path) -> str:
    """Its complaint; nothing where it finds the log good. Its exit code is 0 either way."""
    (folder / "key").write_text(key)
    process = await asyncio.create_subprocess_exec(
        fsck, "--storage_url", f"{url}/", "--public_key", folder / "key", "-N", WORKERS, "--bearer_token", TOKEN, "--ui=false",
        "--logtostderr", "-v=1", stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(FSCK_SECONDS):
        _, said = await process.communicate()
    text = said.decode()
    if "fsck failed" in text:
        return text.partition("fsck failed: ")[2]
    assert "Fsck: checking log of size" in text, text
    assert "Completed ranges" in text, text
    return ""
