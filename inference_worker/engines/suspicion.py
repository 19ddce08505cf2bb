"""Tells a chunk that was heard among others and may have lost words from one that is as good as heard by itself.

What hears several chunks at once looks at none of them: it was seen to give 16 of 54 words with every sign of being
sure of them (mean log probability -0.25, compression 1.14). A false alarm costs a second hearing, and nothing else.
"""

import zlib
from collections.abc import Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from domain.transcript import Word
from inference_worker.engines.made_up import WORDS_PER_SECOND_MAX, loops
from inference_worker.engines.unheard import UNHEARD_MS_MIN

WORDS_PER_SECOND_MIN: Final = 1.0
"""Of voice; see docs/benchmarks.md for what real recordings have."""
USUAL_SHARE_MIN: Final = 0.6
"""Of what the other chunks of the recording have: people and languages differ, one speaker does not by so much."""
USUAL_CHUNKS_MIN: Final = 3
COMPRESSION_MAX: Final = 2.4
LOG_PROBABILITY_MIN: Final = -1.0
"""Whisper's own limits for asking a second time."""


class Hearing(Struct, frozen=True, kw_only=True):
    """What was heard in one chunk; `log_probability` is the mean of its signs, if there are any."""

    words: Sequence[Word]
    log_probability: float | None
    voiced_ms: int

    @property
    def words_per_second(self) -> float:
        """Of voice."""
        return len(self.words) * 1000 / max(1, self.voiced_ms)

    @property
    def compression(self) -> float:
        """How many times shorter its text becomes: more, the more it repeats."""
        text = "".join(word.text for word in self.words).encode()
        return len(text) / len(zlib.compress(text))


def usual_rate(hearings: Sequence[Hearing]) -> float:
    """Words per second of voice, in the middle of what the chunks have so far; 0 while nothing is usual yet."""
    rates = [each.words_per_second for each in hearings if each.voiced_ms >= UNHEARD_MS_MIN]
    return median(rates) if len(rates) >= USUAL_CHUNKS_MIN else 0.0


def is_suspicious(hearing: Hearing, usual: float) -> bool:
    """Whether it should be heard by itself; `usual` is the rate of the chunks around it."""
    return (
        _has_too_few_words(hearing, usual)
        or hearing.words_per_second > WORDS_PER_SECOND_MAX
        or loops(hearing.words)
        or hearing.compression > COMPRESSION_MAX
        or (hearing.log_probability is not None and hearing.log_probability < LOG_PROBABILITY_MIN)
    )


def _has_too_few_words(hearing: Hearing, usual: float) -> bool:
    """Sighs and laughter have no words either."""
    fewest = max(WORDS_PER_SECOND_MIN, USUAL_SHARE_MIN * usual)
    return hearing.voiced_ms >= UNHEARD_MS_MIN and hearing.words_per_second < fewest
