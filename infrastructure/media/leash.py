"""What a fork server and its owner say to each other about one child, on a socket of that child's own."""

import socket
import struct
from typing import Final

import msgspec
from msgspec import Struct

NUMBER: Final = struct.Struct("=i")
"""First the pid, or an errno below zero; at the end the exit code, below zero for a signal."""
DESCRIPTORS: Final = 4
"""With each byte on the control socket: the leash, standard input, output and error."""
REQUEST_BYTES_MAX: Final = 64 << 10
"""Far less than a socket takes before anybody reads."""
_END: Final = b"\n"


class Request(Struct, frozen=True, kw_only=True):
    """`main` of the module is called with the server's pid and the arguments."""

    module: str
    arguments: tuple[str, ...]


_REQUESTS: Final = msgspec.json.Decoder(Request)


def encode_request(request: Request) -> bytes:
    """Raises ValueError when it is too long."""
    line = msgspec.json.encode(request) + _END
    if len(line) > REQUEST_BYTES_MAX:
        raise ValueError(f"{len(line)} bytes of arguments for a child, {REQUEST_BYTES_MAX} at most")
    return line


def read_line(leash: socket.socket) -> bytes:
    """The encoded request, all of which was there before the server heard of the leash; less when the owner is dead."""
    line = b""
    while not line.endswith(_END) and (chunk := leash.recv(REQUEST_BYTES_MAX)):
        line += chunk
    return line


def decode_request(line: bytes) -> Request:
    return _REQUESTS.decode(line)
