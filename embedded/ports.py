"""Free TCP ports on the loopback interface."""

import random
import socket
from typing import Final

from infrastructure.mendable import Mendable

LOOPBACK: Final = "127.0.0.1"
_FIRST, _LAST = 15_000, 32_000
"""Below the range from which systems pick the ports of outgoing connections, so that none of those takes ours."""


class PortTaken(Mendable):
    """Another program listens where we want to."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is taken by another program: choose one with --port")
        self.port = port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a server would set as well
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port nobody listens on at this moment."""
    candidates = random.sample(range(_FIRST, _LAST), 200)
    return next(port for port in candidates if is_free(port))


def require_free(port: int) -> int:
    """Raises PortTaken. Port 0 asks for any."""
    if port == 0:
        return free_port()
    if not is_free(port):
        raise PortTaken(port)
    return port
