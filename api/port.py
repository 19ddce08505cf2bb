"""The port that several processes listen on together: found to be free, and then kept for them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

from infrastructure.mendable import Mendable

Address: TypeAlias = tuple[Any, ...]


class CannotListen(Mendable):
    """The address is taken, or none of this machine."""


@contextmanager
def kept_port(host: str, port: int) -> Iterator[int]:
    """Which one it is, where 0 takes any. Nothing listens here, so that no connection comes before a process can answer it.

    Raises CannotListen.
    """
    with ExitStack() as held:
        try:
            for family, address in _addresses(host, port):
                port = _require_free(family, (address[0], port, *address[2:]))
                held.enter_context(_bound(family, (address[0], port, *address[2:]), shared=True))
        except OSError as problem:
            raise CannotListen(f"cannot listen on {host}:{port}: {problem.strerror}") from problem
        yield port


def _addresses(host: str, port: int) -> list[tuple[int, Address]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _require_free(family: int, address: Address) -> int:
    """Alone for a moment: who shares a port is never told that others, who are none of ours, share it too."""
    with _bound(family, address, shared=False) as alone:
        alone.listen()
        port: int = alone.getsockname()[1]
        return port


def _bound(family: int, address: Address, *, shared: bool) -> socket.socket:
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound
