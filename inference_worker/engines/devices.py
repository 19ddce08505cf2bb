"""Where a Whisper model runs: on the GPU where there is one that works, else on the CPU."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeAlias

import ctranslate2
import faster_whisper
import numpy as np
from msgspec import Struct

from inference_worker.faults import DeviceUnusable
from infrastructure.media.pcm import SAMPLE_RATE

Processor: TypeAlias = Literal["cpu", "cuda"]
GpuCount: TypeAlias = Callable[[], int]

_FASTEST: Final[dict[Processor, str]] = {"cpu": "int8", "cuda": "float16"}
_BATCH: Final[dict[Processor, int]] = {"cpu": 1, "cuda": 8}
"""What nobody chose. On the CPU a batch saves little, takes more memory, and nothing is heard of it for many seconds."""


class Device(Struct, frozen=True, kw_only=True):
    """As the settings STENOLOG_DEVICE, STENOLOG_COMPUTE_TYPE, STENOLOG_CPU_THREADS, STENOLOG_WORKER_SLOTS and
    STENOLOG_BATCH have it.

    The threads are those of each slot.
    """

    kind: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "auto"
    cpu_threads: int = 1
    slots: int = 1
    batch: Literal["auto"] | int = "auto"


class OpenModel(Struct, frozen=True):
    """A model that has run once, what it computes in, and how many chunks of speech it is to hear at once."""

    model: faster_whisper.WhisperModel
    compute_type: str
    batch: int


def open_model(
    folder: Path, device: Device, gpu_count: GpuCount = ctranslate2.get_cuda_device_count
) -> OpenModel:
    """Raises DeviceUnusable. `auto` takes the CPU where a GPU is there and its libraries are not, and says so."""
    match device.kind:
        case "cpu" | "cuda" as processor:
            return _open(folder, processor, device)
        case "auto" if gpu_count() > 0:
            try:
                return _open(folder, "cuda", device)
            except DeviceUnusable as problem:
                print(f"falling back to the CPU: {problem}", file=sys.stderr)  # noqa: T201  # the worker logs it
    return _open(folder, "cpu", device)


def _open(folder: Path, processor: Processor, device: Device) -> OpenModel:
    compute_type = _FASTEST[processor] if device.compute_type == "auto" else device.compute_type
    try:
        model = faster_whisper.WhisperModel(
            str(folder),
            device=processor,
            compute_type=compute_type,
            cpu_threads=device.cpu_threads,
            num_workers=device.slots,
            local_files_only=True,
        )
        _run_once(model)
    except ValueError as problem:
        raise DeviceUnusable(
            f"STENOLOG_COMPUTE_TYPE: {compute_type} does not go with {processor}"
        ) from problem
    except RuntimeError as problem:
        # CTranslate2 loads cuBLAS and cuDNN only when it needs them, so this may come as late as the first run.
        if processor == "cpu":
            raise
        raise DeviceUnusable(f"STENOLOG_DEVICE: no GPU can be used: {problem}") from problem
    return OpenModel(model, compute_type, batch_on(processor, device.batch))


def batch_on(processor: Processor, asked: Literal["auto"] | int) -> int:
    """How many chunks of speech are heard at once."""
    return _BATCH[processor] if asked == "auto" else asked


def _run_once(model: faster_whisper.WhisperModel) -> None:
    """The first run allocates, and on a GPU compiles; nobody should wait for that."""
    silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
    for _ in model.transcribe(silence, language="en", word_timestamps=True)[0]:
        pass
