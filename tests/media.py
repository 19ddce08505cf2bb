"""Recordings for tests that do not care what is said in them."""

import math
import struct
import wave
from pathlib import Path

RATE = 16_000


def write_tone(path: Path, *, seconds: float, hertz: float = 440.0) -> Path:
    """A mono WAV file with a quiet tone; an existing file is replaced. Returns the path."""
    period = [round(3_000 * math.sin(2 * math.pi * hertz * at / RATE)) for at in range(RATE)]
    second = struct.pack(f"<{RATE}h", *period)
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(RATE)
        whole, rest = divmod(seconds, 1.0)
        recording.writeframes(second * int(whole) + second[: 2 * int(RATE * rest)])
    return path
