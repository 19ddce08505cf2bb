"""Finds the place in a stretch of sound where cutting it harms no word.

By voice, not by loudness: over noise and music the quietest place is often inside a word. Half a minute of sound
takes 50 ms.
"""

from typing import Final

import numpy as np

from inference_worker.voice import FRAME_SAMPLES, Numbers, speech_probabilities

SPEECH_PROBABILITY_MIN: Final = 0.35


def longest_pause(pcm: bytes) -> int:
    """The sample in the middle of the longest pause; without a pause, of the frame least like speech."""
    return int(middle_of_pause(speech_probabilities(pcm)) * FRAME_SAMPLES)


def middle_of_pause(probabilities: Numbers) -> float:
    """The same in frames, by the probability of speech of each."""
    if not len(probabilities):
        return 0.0
    first, last = _longest_run(probabilities < SPEECH_PROBABILITY_MIN)
    if first == last:
        first = int(np.argmin(probabilities))
        last = first + 1
    return (first + last) / 2


def _longest_run(silent: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> tuple[int, int]:
    """The longest run of true values, as first and one past the last; empty when there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], silent.astype(np.int8), [0]))))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return 0, 0
    first, last = runs[int(np.argmax(runs[:, 1] - runs[:, 0]))]
    return int(first), int(last)
