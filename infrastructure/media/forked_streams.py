"""A child of a fork server for code on an event loop: its standard streams are asyncio's."""

import asyncio
import errno
import socket
from contextlib import ExitStack
from typing import Final

from infrastructure.media.fork_server import (
    LOST,
    NEVER_STARTED,
    ForkFailed,
    ForkServer,
    Leash,
    Streams,
    without_input,
)
from infrastructure.media.forked import START_SECONDS_MAX, TRIES
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
        self._writers: list[asyncio.StreamWriter] = []
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
        for writer in self._writers:
            writer.close()

    async def connect(self, ours: "_Ends", line_bytes_max: int) -> None:
        self.stdout, _ = await self._opened(ours.take(ours.stdout), line_bytes_max)
        if ours.stdin is not None:
            _, self.stdin = await self._opened(ours.take(ours.stdin), line_bytes_max)
        if ours.stderr is not None:
            self.stderr, _ = await self._opened(ours.take(ours.stderr), line_bytes_max)

    async def _opened(
        self, end: socket.socket, line_bytes_max: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            reader, writer = await asyncio.open_unix_connection(sock=end, limit=line_bytes_max)
        except BaseException:
            end.close()
            raise
        self._writers.append(writer)  # It closes the socket when it is collected.
        return reader, writer

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
    """Our ends of a child's streams, and for as long as it takes to hand them over, the child's.

    Sockets that are shut one way, and no pipes: uvloop closes the descriptor of a pipe twice, the second time
    perhaps another thread's file that has got the same number.
    """

    def __init__(self, theirs: ExitStack, *, stdin: bool, stderr: bool) -> None:
        self._theirs = theirs
        self._ours: list[socket.socket] = []
        self.stdin: socket.socket | None = None
        self.stderr: socket.socket | None = None
        given, complaints = None, 2
        if stdin:
            self.stdin, given = self._pair(socket.SHUT_WR)
        self.stdout, written = self._pair(socket.SHUT_RD)
        if stderr:
            self.stderr, complaints = self._pair(socket.SHUT_RD)
        if given is None:
            given = theirs.enter_context(without_input())
        self.given = Streams(stdin=given, stdout=written, stderr=complaints)

    def take(self, end: socket.socket) -> socket.socket:
        """From now on it is somebody else's to close."""
        self._ours.remove(end)
        return end

    def close(self) -> None:
        for each in self._ours:
            each.close()

    def _pair(self, shut: int) -> tuple[socket.socket, int]:
        """`shut` is what the child may not do with its end."""
        ours, theirs = socket.socketpair()
        self._ours.append(ours)
        self._theirs.enter_context(theirs).shutdown(shut)
        return ours, theirs.fileno()


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
    try:
        await process.connect(ours, line_bytes_max)
    except BaseException:  # Who is told to end meanwhile leaves no child and no stream behind.
        process.close()
        ours.close()
        raise
    return process


async def _leash(server: ForkServer, request: Request, streams: Streams) -> Leash:
    for _ in range(TRIES):
        leash = server.ask(request, streams)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                if leash.take_pid(await _receive(leash.socket)):
                    return leash
        except TimeoutError as problem:
            leash.close()
            server.retire()  # It hangs, and would keep the next one waiting as long.
            raise TimeoutError(f"no process came within {START_SECONDS_MAX:g} s") from problem
        except BaseException:
            leash.close()
            raise
        leash.close()
    raise ForkFailed(errno.ECHILD, NEVER_STARTED)


async def _receive(leash: socket.socket) -> bytes:
    leash.setblocking(False)
    try:
        return await asyncio.get_running_loop().sock_recv(leash, NUMBER.size)
    except ConnectionError:
        return b""
