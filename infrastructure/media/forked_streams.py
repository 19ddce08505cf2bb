"""A child of a fork server for code on an event loop: its standard streams are asyncio's."""

import asyncio
import os
import socket
from contextlib import ExitStack
from typing import Final

from infrastructure.media.fork_server import LOST, ForkServer, Leash, Streams, without_input
from infrastructure.media.forked import START_SECONDS_MAX, TRIES, never_started
from infrastructure.media.leash import NUMBER, Request

LINE_BYTES_MAX: Final = 64 << 10


class ForkedProcess:
    """Has what an `asyncio.subprocess.Process` has; `stdin` and `stderr` where they were asked for."""

    def __init__(self, leash: Leash) -> None:
        self.returncode: int | None = None
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._leash = leash
        self._ended = asyncio.Event()
        self._transports: list[asyncio.BaseTransport] = []
        asyncio.get_running_loop().add_reader(leash.socket, self._hear)

    @property
    def pid(self) -> int:
        return self._leash.pid

    def kill(self) -> None:
        if self.returncode is None:
            self._leash.kill()

    async def wait(self) -> int:
        """The exit code, below zero for a signal, LOST when the server died."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def close(self) -> None:
        """Takes no more of its output, and ends it without waiting for that."""
        self._end(LOST)
        for transport in self._transports:
            transport.close()

    async def connect(self, ours: "_Ends", line_bytes_max: int) -> None:
        if ours.stdin is not None:
            _, self.stdin = await asyncio.open_connection(sock=ours.stdin)
            self._transports.append(self.stdin.transport)
        self.stdout = await self._reader(ours.stdout, line_bytes_max)
        if ours.stderr is not None:
            self.stderr = await self._reader(ours.stderr, line_bytes_max)

    async def _reader(self, descriptor: int, line_bytes_max: int) -> asyncio.StreamReader:
        reader = asyncio.StreamReader(limit=line_bytes_max)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        self._transports.append(transport)
        return reader

    def _hear(self) -> None:
        try:
            told = self._leash.socket.recv(NUMBER.size)
        except BlockingIOError:
            return
        except ConnectionError:
            told = b""
        self._end(self._leash.exit_code_in(told))

    def _end(self, exit_code: int) -> None:
        if self.returncode is None:
            self.returncode = exit_code
            asyncio.get_running_loop().remove_reader(self._leash.socket)
            self._leash.close()
            self._ended.set()


class _Ends:
    """Our ends of a child's streams, and for as long as it takes to hand them over, the child's."""

    def __init__(self, theirs: ExitStack, *, stdin: bool, stderr: bool) -> None:
        self.stdin: socket.socket | None = None
        self.stderr: int | None = None
        self._theirs = theirs
        given = self._socket() if stdin else theirs.enter_context(without_input())
        self.stdout, written = self._pipe()
        complaints = 2
        if stderr:
            self.stderr, complaints = self._pipe()
        self.given = Streams(stdin=given, stdout=written, stderr=complaints)

    def close(self) -> None:
        if self.stdin is not None:
            self.stdin.close()
        for each in (self.stdout, self.stderr):
            if each is not None:
                os.close(each)

    def _socket(self) -> int:
        self.stdin, theirs = socket.socketpair()
        return self._theirs.enter_context(theirs).fileno()

    def _pipe(self) -> tuple[int, int]:
        ours, theirs = os.pipe()
        self._theirs.callback(os.close, theirs)
        return ours, theirs


async def fork_process(
    server: ForkServer,
    module: str,
    *arguments: str,
    stdin: bool = False,
    stderr: bool = False,
    line_bytes_max: int = LINE_BYTES_MAX,
) -> ForkedProcess:
    """Calls `main` of the module in a child. Raises OSError, of which ForkFailed is one, and TimeoutError."""
    with ExitStack() as theirs:
        ours = _Ends(theirs, stdin=stdin, stderr=stderr)
        try:
            leash = await _leash(server, Request(module=module, arguments=arguments), ours.given)
        except BaseException:
            ours.close()
            raise
    process = ForkedProcess(leash)
    await process.connect(ours, line_bytes_max)
    return process


async def _leash(server: ForkServer, request: Request, streams: Streams) -> Leash:
    for _ in range(TRIES):
        leash = server.ask(request, streams)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                if leash.take_pid(await _receive(leash.socket)):
                    return leash
        except BaseException:
            leash.close()
            raise
        leash.close()
    raise never_started()


async def _receive(leash: socket.socket) -> bytes:
    leash.setblocking(False)
    try:
        return await asyncio.get_running_loop().sock_recv(leash, NUMBER.size)
    except ConnectionError:
        return b""
