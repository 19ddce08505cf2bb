"""When known words are said: CTranslate2's alignment, by the attention that Whisper pays to the sound at each of their tokens."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

import numpy as np
from faster_whisper.tokenizer import Tokenizer

from domain.alignment import Found
from domain.tokens import is_unspaced
from inference_worker.voice import samples_of

TOKEN_MS: Final = 20
"""The encoder gives fifty states a second."""
FRAMES_PER_STATE: Final = 2
TOKENS_MAX: Final = 400
"""The decoder takes 448, and a few stand before the text."""
MEDIAN_FILTER: Final = 7
"""As Whisper's own alignment has it."""


def find_words(model: Any, pcm: bytes, start_ms: int, words: Sequence[str], code: str) -> list[Found]:
    """Each in its turn; empty where there are too many, or nothing to hear. `model` is a faster_whisper.WhisperModel."""
    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=code)
    tokens = [tokenizer.encode(_as_whisper_writes(word)) for word in words]
    features = model.feature_extractor(samples_of(pcm))
    frames = features.shape[-1] // FRAMES_PER_STATE * FRAMES_PER_STATE
    flat = [token for of_word in tokens for token in of_word]
    if not frames or not flat or len(flat) > TOKENS_MAX or not all(tokens):
        return []
    [answer] = model.model.align(
        model.encode(features[:, :frames]),
        tokenizer.sot_sequence,
        [flat],
        frames,
        median_filter_width=MEDIAN_FILTER,
    )
    return _found(answer, [len(of_word) for of_word in tokens], start_ms)


def _as_whisper_writes(word: str) -> str:
    """Each with one space before it, but in scripts that write without."""
    written = word.strip()
    return written if written and is_unspaced(written[0]) else f" {written}"


def _found(answer: Any, token_counts: Sequence[int], start_ms: int) -> list[Found]:
    """A token begins at the state where the path steps on to it; a word ends where the next one begins."""
    pairs = np.array(answer.alignments)
    steps = np.diff(pairs[:, 0], prepend=-1).astype(bool)
    begins_ms = pairs[steps, 1] * TOKEN_MS + start_ms
    bounds = list(accumulate(token_counts, initial=0))
    probabilities = answer.text_token_probs
    return [
        Found(
            start_ms=int(begins_ms[first]),
            end_ms=int(begins_ms[end]),
            probability=round(float(np.mean(probabilities[first:end])), 4),
        )
        for first, end in pairwise(bounds)
    ]
