"""The one form of sound that engines hear: 16 kHz, mono, signed 16-bit little-endian."""

from typing import Final

SAMPLE_RATE: Final = 16_000
SAMPLE_BYTES: Final = 2
SAMPLES_PER_MS: Final = SAMPLE_RATE // 1000
BYTES_PER_MS: Final = SAMPLES_PER_MS * SAMPLE_BYTES
BYTES_PER_SECOND: Final = SAMPLE_RATE * SAMPLE_BYTES
LENGTH: Final = "<I"
"""How a decoding process writes the length of a block."""
LOST: Final = 1 << 31
"""Added to the length of a block of silence in place of sound that could not be decoded."""
