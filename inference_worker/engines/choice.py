"""Which engine to run, as told to the engine's process, and how it is opened there."""

from typing import Literal

from msgspec import Struct

from domain.ports import Engine
from inference_worker.engines.riva.server import RivaServer
from inference_worker.faults import EngineMissing
from inference_worker.models import find_model


class EngineChoice(Struct, frozen=True, kw_only=True):
    """`model` is as STENOLOG_MODEL has it; `speed` is seconds of sound in a second, scripted only.

    `slots` is how many recordings are heard at once. `riva` is for Riva only, the rest for Whisper only and as in the
    settings; `digest` is the hash of the model's weights where it is known.
    """

    kind: Literal["faster-whisper", "riva", "scripted"]
    model: str = ""
    speed: float = 1000.0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "auto"
    cpu_threads: int = 1
    slots: int = 1
    batch: Literal["auto"] | int = "auto"
    digest: str = ""
    riva: RivaServer = RivaServer()

    @property
    def port(self) -> int | None:
        """Where it asks a server, if it does; no other engine needs a network."""
        return self.riva.port if self.kind == "riva" else None


def open_engine(choice: EngineChoice) -> Engine:
    """Loads the model and runs it once, or asks the server what it has. Raises Misfit or EngineAway."""
    match choice.kind:
        case "scripted":
            from inference_worker.engines.scripted import ScriptedEngine  # noqa: PLC0415  # needs no model

            return ScriptedEngine(choice.speed)
        case "riva":
            try:
                from inference_worker.engines.riva.engine import RivaEngine  # noqa: PLC0415  # an extra
            except ModuleNotFoundError as missing:
                raise EngineMissing(
                    f"STENOLOG_ENGINE: riva needs nvidia-riva-client, which is not installed (no {missing.name}): "
                    "install the extra riva, as with pip install --require-hashes -r locks/riva.txt"
                ) from missing
            return RivaEngine(choice.riva)
        case "faster-whisper":
            from inference_worker.engines.devices import Device  # noqa: PLC0415  # as the next
            from inference_worker.engines.faster_whisper import (  # noqa: PLC0415  # a second to import
                FasterWhisperEngine,
            )

            device = Device(
                kind=choice.device,
                compute_type=choice.compute_type,
                cpu_threads=choice.cpu_threads,
                slots=choice.slots,
                batch=choice.batch,
            )
            return FasterWhisperEngine(find_model(choice.model), device, choice.digest)
