"""The fork server for children that look at media: one for each process that needs any."""

from typing import Final

from infrastructure.media.fork_server import ForkServer

PROBE: Final = "infrastructure.media.probe_child"
DECODE: Final = "infrastructure.media.decode_child"
SANDBOX: Final = "infrastructure.media.sandbox_child"

MEDIA_CHILDREN: Final = ForkServer(PROBE, DECODE, SANDBOX)
