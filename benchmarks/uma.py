"""UmaDB, a server made for appending events, as a peer of our append: a wheel in the peers' environment, a file of its own."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.http_peers import FOLDER, end, free_port, provide_environment

START_SECONDS_MAX: Final = 15.0
GRACE_SECONDS: Final = 30.0


async def rate_of_uma(callers: int, seconds: float, payload_bytes: int) -> float:
    """Commands a second. As it comes: it syncs its file at every commit, in which it takes what waits together."""
    python = await provide_environment()
    async with _serving(python.with_name("umadb")) as url:
        client = await asyncio.create_subprocess_exec(
            *(str(python), str(FOLDER / "uma.py"), url, str(callers), str(seconds), str(payload_bytes)),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                answer, _ = await client.communicate()
        finally:
            await end(client)
        if client.returncode:
            raise RuntimeError(f"UmaDB's client ended with {client.returncode}")
        return float(answer)


@asynccontextmanager
async def _serving(program: Path) -> AsyncIterator[str]:
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="stenolog-bench-") as folder:
        server = await asyncio.create_subprocess_exec(
            *(str(program), "--listen", address, "--db-path", f"{folder}/uma.db"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            await _until_listening(server, address)
            yield f"http://{address}"
        finally:
            await end(server)


async def _until_listening(server: asyncio.subprocess.Process, address: str) -> None:
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(START_SECONDS_MAX):
        while server.returncode is None:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    raise RuntimeError(f"UmaDB ended with {server.returncode}")
