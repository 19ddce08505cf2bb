"""The fork server's process: it has imported what its children need, and forks one for each task.

It is executed afresh with the environment of children, so that it holds no settings, connections or secrets that
a child could inherit. It has one thread, and knows of its owner only the control socket: each byte on that brings four
descriptors, which are the child's leash and its standard streams. On the leash the owner has written what to
run; there it reads the child's pid and at last its exit code, and by closing it, or dying, ends the child.

Arguments: the owner's pid, the control socket, whether to leave the network, modules to import.
"""

import gc
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Final, Never

from infrastructure.media.leash import DESCRIPTORS, NUMBER, Request, decode_request, read_line
from infrastructure.media.sandbox import end_with_parent, leave_the_network

OFFLINE: Final = "offline"
FAILURE_EXIT_CODE: Final = 1


class ForkServer:
    """Serves until its owner has closed the control socket, and the last child has ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control: socket.socket | None = control
        self._leashes: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._accept)
        self._ended, wake_up = socket.socketpair()
        for each in (self._ended, wake_up):
            each.setblocking(False)
        self._wake_up = wake_up  # or it would be collected, and closed
        self._selector.register(self._ended, selectors.EVENT_READ, self._reap)
        signal.set_wakeup_fd(wake_up.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        while self._control is not None or self._leashes:
            for key, _ in self._selector.select():
                handle: Callable[[], None] = key.data
                handle()

    def _accept(self) -> None:
        assert self._control is not None
        message, descriptors, _, _ = socket.recv_fds(self._control, 1, DESCRIPTORS)
        if not message:
            self._selector.unregister(self._control)
            self._control = None
            return
        try:
            # Without room for all of them the leash is closed, which the owner sees.
            if len(descriptors) == DESCRIPTORS:
                self._fork(socket.socket(fileno=os.dup(descriptors[0])), descriptors[1:])
        finally:
            for each in descriptors:
                os.close(each)

    def _fork(self, leash: socket.socket, streams: list[int]) -> None:
        request = read_line(leash)
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as problem:
            _tell(leash, -(problem.errno or 1))
            leash.close()
            return
        if not pid:
            _become_child(server, request, streams)
        _tell(leash, pid)
        self._leashes[pid] = leash
        self._selector.register(leash, selectors.EVENT_READ, lambda: self._let_go(pid))

    def _let_go(self, pid: int) -> None:
        """The owner wants it to end, or is dead. Its pid is its own for as long as we have not reaped it."""
        leash = self._leashes.get(pid)
        if leash is not None:
            self._selector.unregister(leash)
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            self._ended.recv(4096)
        while self._leashes:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            leash = self._leashes.pop(pid)
            with suppress(KeyError):  # when it was let go
                self._selector.unregister(leash)
            _tell(leash, os.waitstatus_to_exitcode(status))
            leash.close()


def _tell(leash: socket.socket, number: int) -> None:
    with suppress(ConnectionError):  # The owner has gone; the child is ended for that.
        leash.send(NUMBER.pack(number))


def _become_child(server: int, request: bytes, streams: list[int]) -> Never:
    """Whatever happens, the process that was forked ends here."""
    code = FAILURE_EXIT_CODE
    try:
        end_with_parent(server)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        # Of other children's leashes and streams it keeps none: their ends would not be noticed.
        os.closerange(len(streams), os.sysconf("SC_OPEN_MAX"))
        os.setsid()
        code = _run(decode_request(request), server)
    except BaseException:  # noqa: BLE001  # there is nobody above to tell
        traceback.print_exc()
    finally:
        os._exit(code)


def _run(request: Request, server: int) -> int:
    """As `python -m` would, and with the same exit codes."""
    try:
        import_module(request.module).main([str(server), *request.arguments])
        sys.stdout.flush()
    except SystemExit as end:
        sys.stdout.flush()
        return end.code if isinstance(end.code, int) else FAILURE_EXIT_CODE * (end.code is not None)
    return 0


def main(arguments: list[str]) -> None:
    _, control, network, *modules = arguments
    if network == OFFLINE:
        leave_the_network()
    for module in modules:
        import_module(module)
    gc.collect()
    gc.freeze()  # Looking for garbage among what all share would copy it for each.
    ForkServer(socket.socket(fileno=int(control))).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
