"""Where somebody speaks: Silero's voice detection, which faster-whisper brings along."""

from typing import Final, TypeAlias

import numpy as np
from faster_whisper.vad import get_vad_model

from infrastructure.media.pcm import SAMPLE_BYTES, SAMPLE_RATE

FRAME_SAMPLES: Final = 512
FRAME_MS: Final = FRAME_SAMPLES * 1000 // SAMPLE_RATE

SPEECH_FROM: Final = 0.35
"""The probability from which somebody may be speaking. A quiet voice has no more: the same sentence, four times as loud, has 0.8.

With 0.5, which is faster-whisper's, a conversation of 74 s lost its only quiet sentence; noise and music give no more words
with this one.
"""
SPEECH_BELOW: Final = 0.3
"""And below which nobody does any more; with 0.2 the breath after a sentence became a word."""
VOICE_FROM: Final = 0.5
"""The probability of speech from which a frame counts as voice when words are weighed."""

Numbers: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"


def samples_of(pcm: bytes) -> Numbers:
    """Signed 16-bit sound as numbers from -1 to 1."""
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768.0


def speech_probabilities(pcm: bytes) -> Numbers:
    """One for each frame of 32 ms; what is left after the last whole frame has none."""
    frames = len(pcm) // SAMPLE_BYTES // FRAME_SAMPLES
    if not frames:
        return np.zeros(0, dtype=np.float32)
    probabilities: Numbers = get_vad_model()(samples_of(pcm[: frames * FRAME_SAMPLES * SAMPLE_BYTES]))
    return probabilities.reshape(-1)


class Voice:
    """Where somebody speaks in sound that begins at `start_ms` of the recording."""

    def __init__(self, pcm: bytes, start_ms: int) -> None:
        self.probabilities = speech_probabilities(pcm)
        self._start_ms = start_ms

    def ms_between(self, start_ms: int, end_ms: int) -> int:
        """How much voice there is between two moments of the recording."""
        return int((self.between(start_ms, end_ms) >= VOICE_FROM).sum()) * FRAME_MS

    def between(self, start_ms: int, end_ms: int) -> Numbers:
        """The probability of speech of each frame that lies between them, if only with a part."""
        first, last = (start_ms - self._start_ms) // FRAME_MS, -((self._start_ms - end_ms) // FRAME_MS)
        return self.probabilities[first:last]
