"""Windows hold all the sound, each sample once, and are cut where they may be."""

from collections.abc import Iterator, Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain.ports import Window
from inference_worker.windows import PauseFinder, WindowStart, cut_windows
from infrastructure.media.pcm import BYTES_PER_MS

SIZE_MS = 200


def numbered(samples: int) -> bytes:
    """Sound in which every stretch is unlike any other."""
    return b"".join((at % 65_536).to_bytes(2, "little") for at in range(samples))


def in_blocks(pcm: bytes, seed: int) -> Iterator[bytes]:
    random = Random(seed)
    at = 0
    while at < len(pcm):
        size = 2 * random.randint(0, 4_000)
        yield pcm[at : at + size]
        at += size


def anywhere(seed: int) -> PauseFinder:
    """Finds its pause at a place that depends on nothing but the sound."""

    def find(pcm: bytes) -> int:
        return Random(seed + len(pcm) + pcm[0]).randint(0, len(pcm) // 2)

    return find


def cut(pcm: bytes, seed: int = 0, begin: WindowStart = WindowStart()) -> Sequence[Window]:  # noqa: B008  # frozen
    blocks = in_blocks(pcm, seed)
    return list(cut_windows(blocks, size_ms=SIZE_MS, begin=begin, find_pause=anywhere(7)))


recordings = st.integers(0, SIZE_MS * 16 * 6).map(numbered)


@given(recordings, st.integers())
def test_no_sample_is_lost_or_repeated(pcm: bytes, seed: int) -> None:
    assert b"".join(window.pcm for window in cut(pcm, seed)) == pcm


@given(recordings)
def test_windows_follow_each_other_without_a_gap(pcm: bytes) -> None:
    at_ms = 0
    for index, window in enumerate(cut(pcm)):
        assert (window.index, window.start_ms) == (index, at_ms)
        assert 0 <= (window.end_ms - window.start_ms) * BYTES_PER_MS - len(window.pcm) < BYTES_PER_MS
        at_ms = window.end_ms
    assert 0 <= at_ms * BYTES_PER_MS - len(pcm) < BYTES_PER_MS


@given(recordings)
def test_every_window_has_about_the_size_asked_for(pcm: bytes) -> None:
    lengths = [window.end_ms - window.start_ms for window in cut(pcm)]
    assert all(length <= 1.07 * SIZE_MS for length in lengths)
    assert all(length >= 0.70 * SIZE_MS for length in lengths[:-2])
    assert all(length >= 0.30 * SIZE_MS - 1 for length in lengths[-2:]) or len(lengths) == 1


@given(recordings, st.integers(), st.integers())
def test_how_the_sound_arrives_does_not_matter(pcm: bytes, one: int, other: int) -> None:
    assert cut(pcm, one) == cut(pcm, other)


@given(recordings, st.data())
def test_resuming_after_any_window_gives_the_windows_that_follow(pcm: bytes, data: st.DataObject) -> None:
    windows = cut(pcm)
    done = data.draw(st.integers(0, len(windows)))
    begin = WindowStart(index=done, start_ms=windows[done - 1].end_ms if done else 0)
    assert cut(pcm, 1, begin) == windows[done:]


def test_a_long_recording_is_never_held_whole() -> None:
    seen = 0

    def blocks() -> Iterator[bytes]:
        nonlocal seen
        for _ in range(500):
            seen += 1
            yield bytes(10 * BYTES_PER_MS)

    windows = cut_windows(blocks(), size_ms=SIZE_MS, begin=WindowStart(), find_pause=lambda _: 0)
    next(windows)
    assert seen * 10 <= 1.5 * SIZE_MS
