"""Free TCP ports on the loopback interface, each given to one process at a time."""

import atexit
import errno
import random
import socket
import sys
from typing import Final

from infrastructure.mendable import Mendable
from infrastructure.settings import InvalidSetting

LOOPBACK: Final = "127.0.0.1"
_RANGE: Final = range(15_000, 32_000)
"""Below the ports that systems pick for outgoing connections, so that none of those takes ours."""
_claims: Final[dict[int, socket.socket]] = {}


class PortTaken(Mendable):
    """Another program listens where we want to."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is taken by another program: choose one with --port")
        self.port = port


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Raises InvalidSetting where nobody could listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a server would set as well
        try:
            probe.bind((host, port))
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                return False
            raise InvalidSetting(f"nobody can listen on {host}, port {port}: {problem.strerror}") from None
        return True


class NoPortFree(Mendable):
    """Everything is taken."""


def free_port(among: range = _RANGE) -> int:
    """A port nobody listens on, which no other call returns, in any process, until this process has ended.

    Between this answer and the moment when somebody listens there lie seconds (PostgreSQL makes its cluster first), and
    a server that was killed has to find its port again. Raises NoPortFree.
    """
    for port in random.sample(among, len(among)):
        if is_free(port) and _claim(port):
            return port
    raise NoPortFree(f"no port from {among.start} to {among.stop - 1} is free")


def _claim(port: int) -> bool:
    """Takes the name of the port in the network's own list of names, which the system clears when we end."""
    if port in _claims:
        return False
    if sys.platform != "linux":  # there is no such list: the chance that two pick the same port is left
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0stenolog-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims[port] = claim
    return True


@atexit.register
def _let_go() -> None:
    """The system does it too, but Python would complain of sockets that nobody closed."""
    for claim in _claims.values():
        claim.close()


def require_free(port: int, host: str = LOOPBACK) -> int:
    """Raises PortTaken, or InvalidSetting where nobody could listen. Port 0 asks for any."""
    if port == 0:
        port = free_port()
    if not is_free(port, host):
        raise PortTaken(port)
    return port


def reachable(host: str) -> str:
    """What a client on this machine calls a host that a server listens on, as it stands in a URL."""
    host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104  # to reach it, not to bind it
    return f"[{host}]" if ":" in host else host
