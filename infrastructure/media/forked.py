"""A child of a fork server for code that blocks: its output is a descriptor."""

import errno
import os
import socket
from typing import Final

from infrastructure.media.fork_server import (
    NEVER_STARTED,
    ForkFailed,
    ForkServer,
    Leash,
    Streams,
    without_input,
)
from infrastructure.media.leash import NUMBER, Request

START_SECONDS_MAX: Final = 60.0
"""For a server to start, on a machine where much starts at once, and to fork."""
TRIES: Final = 2


class Forked:
    """`end` it, whether it has ended by itself or not."""

    def __init__(self, leash: Leash, output: int) -> None:
        self._leash = leash
        self._exit_code: int | None = None
        self.output = output

    @property
    def pid(self) -> int:
        return self._leash.pid

    def wait(self, timeout_seconds: float) -> int:
        """The exit code, below zero for a signal, LOST when the server died. Raises TimeoutError."""
        if self._exit_code is None:
            self._leash.socket.settimeout(timeout_seconds)
            self._exit_code = self._leash.exit_code_in(_receive(self._leash.socket))
        return self._exit_code

    def end(self, timeout_seconds: float) -> None:
        """Raises TimeoutError."""
        try:
            self._leash.kill()
            self.wait(timeout_seconds)
        finally:
            self._leash.close()
            os.close(self.output)


def fork(server: ForkServer, module: str, *arguments: str) -> Forked:
    """Calls `main` of the module in a child. Raises OSError, of which ForkFailed is one."""
    output, written = os.pipe()
    try:
        with without_input() as nothing:
            request = Request(module=module, arguments=arguments)
            return Forked(_leash(server, request, Streams(stdin=nothing, stdout=written)), output)
    except BaseException:
        os.close(output)
        raise
    finally:
        os.close(written)


def _leash(server: ForkServer, request: Request, streams: Streams) -> Leash:
    for _ in range(TRIES):
        leash = server.ask(request, streams)
        try:
            leash.socket.settimeout(START_SECONDS_MAX)
            if leash.take_pid(_receive(leash.socket)):
                return leash
        except BaseException:
            leash.close()
            raise
        leash.close()
    raise ForkFailed(errno.ECHILD, NEVER_STARTED)


def _receive(leash: socket.socket) -> bytes:
    try:
        return leash.recv(NUMBER.size)
    except ConnectionError:  # The server died before it had read what we wrote.
        return b""
