"""Where engine processes come from: a server for each kind of engine that has imported what takes long."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Final

import msgspec

from inference_worker.engines.choice import EngineChoice
from infrastructure.media.children import child_environment
from infrastructure.media.fork_server import ForkServer
from infrastructure.media.forked_streams import ForkedProcess, fork_process
from infrastructure.mendable import Mendable

CHILD: Final = "inference_worker.child"
LINE_BYTES_MAX: Final = 1 << 24
"""A quarter of an hour of fast speech, each word with its times, is a tenth of this."""

_LIBRARIES: Final = {"faster-whisper": ("inference_worker.engines.faster_whisper",)}
"""What takes longest to import of each kind of engine; none of it starts a thread or touches a GPU before it is used.

Riva's takes a third of a second, and gRPC promises nothing to who forks after importing it.
"""
_GPU_VARIABLES: Final = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES")


class EngineUnavailable(Mendable):
    """The engine process did not become ready; its own words are in the log."""


async def fork_engine(choice: EngineChoice) -> ForkedProcess:
    """Not ready yet. Raises EngineUnavailable."""
    try:
        return await fork_process(
            _server(choice.kind),
            CHILD,
            msgspec.json.encode(choice).decode(),
            stdin=True,
            stderr=True,
            line_bytes_max=LINE_BYTES_MAX,
        )
    except OSError as problem:
        raise EngineUnavailable(f"the engine did not start: {problem}") from problem


@cache
def _server(kind: str) -> ForkServer:
    """One for all engines of that kind. It keeps the network, since an engine says itself whether it needs one."""
    return ForkServer(CHILD, *_LIBRARIES.get(kind, ()), offline=False, environment=_environment)


def _environment() -> Mapping[str, str]:
    passed = {name: os.environ[name] for name in _GPU_VARIABLES if name in os.environ}
    return child_environment(HF_HUB_OFFLINE="1", GRPC_VERBOSITY="NONE", **passed)
