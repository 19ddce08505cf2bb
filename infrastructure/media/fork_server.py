"""The owner's side of a fork server: start it when it is needed and again when it has died, and ask for children."""

import atexit
import errno
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from msgspec import Struct

from infrastructure.media.children import child_command, child_environment
from infrastructure.media.leash import NUMBER, Request, encode_request

PROCESS: Final = "infrastructure.media.fork_server_child"
LOST: Final = 255
"""The exit code of a child that nobody knows the end of, since its server died and took it along: an error of ours."""
NEVER_STARTED: Final = "the server that children are forked from does not start"
_CRASHES: Final = frozenset(
    {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE, -signal.SIGABRT, -signal.SIGSYS}
)

log = logging.getLogger(__name__)


class ForkFailed(OSError):
    """No child could be forked: the server does not start, or the system has no room for another process."""


class Streams(Struct, frozen=True, kw_only=True):
    """The descriptors that a child gets; they stay the caller's to close."""

    stdin: int
    stdout: int
    stderr: int = 2


class ForkServer:
    """A process that has imported `preload`. It ends with this one, and may be used by several threads.

    `through` is a program that runs the command it is given.
    """

    def __init__(
        self,
        *preload: str,
        offline: bool = True,
        environment: Callable[[], Mapping[str, str]] = child_environment,
        through: Sequence[str] = (),
    ) -> None:
        self._preload = preload
        self._offline = offline
        self._environment = environment
        self._through = through
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._leaving: list[subprocess.Popen[bytes]] = []

    @property
    def pid(self) -> int | None:
        """None while there is none."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Before the first child is asked for, so that it does not wait for the imports. Raises OSError."""
        with self._lock:
            if self._control is None:
                self._start()

    def ask(self, request: Request, streams: Streams) -> "Leash":
        """Asks for a child; the server tells on the leash what became of that. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                ours.sendall(encode_request(request))
                with self._lock:
                    server = self._send([theirs.fileno(), streams.stdin, streams.stdout, streams.stderr])
            except BaseException:
                ours.close()
                raise
        return Leash(ours, lambda: self.retire(server))

    def retire(self, server: int | None = None) -> None:
        """The next child gets a new server, this one ends with its last child. Given a pid, only if it is still that one."""
        with self._lock:
            if server in (None, self.pid):
                self._let_go()

    def close(self) -> None:
        """Ends it, and with it all its children."""
        atexit.unregister(self.close)
        with self._lock:
            self._let_go()
            leaving, self._leaving = self._leaving, []
        for each in leaving:
            each.kill()
            each.wait()

    def _send(self, descriptors: Sequence[int]) -> int:
        """To a server that lives, as far as one can know. Returns its pid."""
        if self._control is not None:
            with suppress(ConnectionError):
                return self._send_to(self._control, descriptors)
            log.warning("the server that children are forked from has died; a new one is started")
        self._let_go()
        try:
            return self._send_to(self._start(), descriptors)
        except ConnectionError as problem:
            raise ForkFailed(errno.ECHILD, NEVER_STARTED) from problem

    def _send_to(self, control: socket.socket, descriptors: Sequence[int]) -> int:
        assert self._process is not None
        socket.send_fds(control, [b"+"], descriptors)
        return self._process.pid

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            try:
                self._process = self._execute(theirs.fileno())
            except BaseException:
                ours.close()
                raise
        self._control = ours
        atexit.register(self.close)  # It would end a moment after us.
        return ours

    def _execute(self, control: int) -> "subprocess.Popen[bytes]":
        network = "offline" if self._offline else "online"
        return subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [*self._through, *child_command(PROCESS, str(control), network, *self._preload)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=self._environment(),
            pass_fds=[control],
            start_new_session=True,
        )

    def _let_go(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._leaving.append(self._process)
        self._process = self._control = None
        self._leaving = [each for each in self._leaving if each.poll() is None]


class Leash:
    """One child, from its owner's side: closing it ends the child."""

    def __init__(self, leash: socket.socket, crashed: Callable[[], None]) -> None:
        self.socket = leash
        self._crashed = crashed
        self.pid = 0
        """Known once `take_pid` was given it."""

    def take_pid(self, told: bytes) -> bool:
        """False when the server died before it forked. Raises ForkFailed."""
        if len(told) < NUMBER.size:
            return False
        self.pid = NUMBER.unpack(told)[0]
        if self.pid < 0:
            raise ForkFailed(-self.pid, os.strerror(-self.pid))
        return True

    def exit_code_in(self, told: bytes) -> int:
        """Who has crashed a child knows more about the memory of the next ones: they get a new server."""
        code: int = NUMBER.unpack(told)[0] if len(told) == NUMBER.size else LOST
        if code in _CRASHES:
            self._crashed()
        return code

    def kill(self) -> None:
        """By way of the server, which knows whether the pid is still the child's."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()


@contextmanager
def without_input() -> Iterator[int]:
    """A descriptor from which nothing comes."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
