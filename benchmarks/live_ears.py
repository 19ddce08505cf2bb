"""Many connections to a process that tells of changes, in a process of their own: `python -m benchmarks.live_ears PORT PATH…`."""

import asyncio
import sys

from api.server import raise_descriptor_limit


class Ear(asyncio.Protocol):
    """Counts the events and keeps nothing."""

    told = 0

    def __init__(self, path: str) -> None:
        self._path = path
        self.came = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"GET {self._path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        Ear.told += data.count(b"event: ")
        self.came.set()


async def main(port: int, paths: list[str]) -> None:
    """Says `ready` once all were answered, and how many events came once it is told to end."""
    raise_descriptor_limit()
    loop = asyncio.get_running_loop()
    for path in paths:
        _, ear = await loop.create_connection(lambda path=path: Ear(path), "127.0.0.1", port)  # type: ignore[misc]  # a default is no type
        await ear.came.wait()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(Ear.told, flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.stdin.readline().split()))
