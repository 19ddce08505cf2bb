"""Chunks hold all the speech, each moment once, and no more than a model hears at once."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.engines.chunks import CHUNK_MS_MAX, MARGIN_MS, Chunk, Span, chunks_of
from inference_worker.voice import FRAME_MS, Numbers

SPOKEN, QUIET, MURMURED, SILENT = 0.9, 0.4, 0.3, 0.01
START_MS = 7_000


def speech(*parts: tuple[float, float]) -> Numbers:
    """Seconds of sound with a probability of speech each."""
    return np.concatenate(
        [
            np.full(round(seconds * 1000 / FRAME_MS), probability, np.float32)
            for seconds, probability in parts
        ]
    )


def chunks(frames: Numbers) -> Sequence[Chunk]:
    return chunks_of(frames, START_MS, START_MS + len(frames) * FRAME_MS)


def test_where_nobody_speaks_there_is_no_chunk() -> None:
    assert not chunks(speech((60.0, SILENT)))
    assert not chunks(speech((1.0, SILENT), (3.0, MURMURED), (1.0, SILENT)))
    assert not chunks_of(np.zeros(0, np.float32), START_MS, START_MS + 2)


def test_a_quiet_voice_of_which_the_detector_is_not_sure_is_in_a_chunk() -> None:
    (chunk,) = chunks(speech((9.6, SILENT), (3.2, QUIET), (9.6, SILENT)))
    assert chunk.length_ms >= 3_200


def test_a_chunk_begins_a_little_before_voice_and_ends_a_little_after_it() -> None:
    (chunk,) = chunks(speech((9.6, SILENT), (3.2, SPOKEN), (9.6, SILENT)))
    begin_ms, end_ms = START_MS + 9_600, START_MS + 12_800
    assert chunk.spans == (Span(begin_ms - MARGIN_MS, end_ms + MARGIN_MS),)


def test_a_chunk_does_not_reach_beyond_its_stretch() -> None:
    (chunk,) = chunks(speech((3.2, SPOKEN)))
    assert (chunk.start_ms, chunk.end_ms) == (START_MS, START_MS + 3_200)


def test_a_long_silence_is_left_out_of_a_chunk_and_a_short_one_is_not() -> None:
    (chunk,) = chunks(speech((3.2, SPOKEN), (1.6, SILENT), (3.2, SPOKEN), (16.0, SILENT), (3.2, SPOKEN)))
    first, second = chunk.spans
    assert (first.length_ms, second.length_ms) == (8_000 + MARGIN_MS, 3_200 + MARGIN_MS)
    assert second.start_ms - first.end_ms == 16_000 - 2 * MARGIN_MS


def test_speech_without_end_is_cut_in_its_longest_pause() -> None:
    frames = speech((24.0, SPOKEN), (0.64, SILENT), (2.0, SPOKEN), (0.32, SILENT), (20.0, SPOKEN))
    first, second = chunks(frames)
    assert first.end_ms == second.start_ms == pytest.approx(START_MS + 24_320, abs=FRAME_MS)


def test_voice_that_does_not_fit_into_a_chunk_fills_it_up() -> None:
    first, second = chunks(speech((12.8, SPOKEN), (3.2, SILENT), (25.6, SPOKEN)))
    assert len(first.spans) == 2
    assert first.length_ms >= 0.75 * CHUNK_MS_MAX
    assert first.end_ms == second.start_ms


def test_a_nearly_full_chunk_stays_as_it_is() -> None:
    first, second = chunks(speech((25.6, SPOKEN), (3.2, SILENT), (9.6, SPOKEN)))
    assert [len(each.spans) for each in (first, second)] == [1, 1]


@given(
    st.lists(
        st.tuples(st.floats(0.1, 70.0), st.sampled_from([SPOKEN, MURMURED, SILENT])),
        min_size=1,
        max_size=12,
    )
)
def test_all_that_is_spoken_lies_in_one_chunk_and_none_is_too_long(
    parts: list[tuple[float, float]],
) -> None:
    frames = speech(*parts)
    found = chunks(frames)
    spans = [span for chunk in found for span in chunk.spans]
    assert all(0 < chunk.length_ms <= CHUNK_MS_MAX for chunk in found)
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(spans))
    for number in np.flatnonzero(frames >= SPOKEN - 0.01):
        at_ms = START_MS + int(number) * FRAME_MS
        assert (
            sum(max(0, min(end, at_ms + FRAME_MS) - max(begin, at_ms)) for begin, end in spans) == FRAME_MS
        )


SEWN = Chunk((Span(10_000, 12_000), Span(60_000, 63_000)))


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ((500, 900), (10_500, 10_900)),
        ((2_100, 2_600), (60_100, 60_600)),
        ((1_700, 2_100), (11_700, 12_000)),
        ((1_900, 2_500), (60_000, 60_500)),
        ((4_800, 5_600), (62_800, 63_000)),
    ],
    ids=["first span", "second span", "over the end of the first", "before the second", "after the end"],
)
def test_a_word_lies_in_the_span_that_has_its_middle(heard: tuple[int, int], said: tuple[int, int]) -> None:
    assert SEWN.placed(*heard) == said
