"""All packets of a recording that can be read, over whatever lies between them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet as AnyPacket

if TYPE_CHECKING:
    Packet: TypeAlias = AnyPacket[Any]  # generic in PyAV's stubs alone
else:
    Packet = AnyPacket

ERRORS_MAX: Final = 100
"""So many times in a row may reading fail before a file counts as ended."""
STRANGERS_MAX: Final = 1_000_000
"""So many packets may belong to streams that nothing announced."""


def read_packets(container: InputContainer, *streams: AudioStream) -> Iterator[Packet]:
    """Those of the given streams, or of all; no empty ones."""
    errors = strangers = 0
    while errors < ERRORS_MAX and strangers < STRANGERS_MAX:
        try:
            for packet in container.demux(*streams):
                errors = 0
                if packet.size:
                    yield packet
        except EndOfFile:
            return
        except FFmpegError:
            errors += 1
        except IndexError:  # PyAV knows the streams alone that were there when the file was opened.
            strangers += 1
        else:
            return
