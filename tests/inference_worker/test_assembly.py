"""A transcript put together on disk is the one that would have been made in memory, byte for byte."""

from hashlib import sha256
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.transcript import MediaWarning, Segment, Transcript, Word, transcript_of
from inference_worker.assembly import Assembly
from inference_worker.child_messages import WindowDone
from schemas.objects import decode_transcript, encode_transcript

words = st.builds(
    Word,
    text=st.text(max_size=12) | st.sampled_from([' "segments":[', ' \\"segments\\":[]']),
    start_ms=st.integers(0, 10**8),
    end_ms=st.integers(0, 10**8),
    probability=st.none() | st.floats(0, 1),
)
segments = st.builds(Segment, words=st.lists(words, max_size=4).map(tuple))
windows = st.builds(
    WindowDone,
    index=st.just(0),
    start_ms=st.just(0),
    end_ms=st.just(0),
    language=st.just("en"),
    segments=st.lists(segments, max_size=4).map(tuple),
)
warnings = st.lists(st.just(MediaWarning(from_seconds=1.0, to_seconds=2.5)), max_size=2).map(tuple)


@given(st.lists(windows, max_size=5), warnings)
def test_it_is_the_transcript_of_all_windows(
    heard: list[WindowDone], damaged: tuple[MediaWarning, ...]
) -> None:
    frame = Transcript(text="", language="en", duration_ms=9_000, segments=(), warnings=damaged)
    with TemporaryDirectory() as folder, Assembly(Path(folder)) as assembly:
        for window in heard:
            assembly.add(window)
        assembled = assembly.finish(frame=frame)
        content = assembled.path.read_bytes()
    spoken = tuple(chain.from_iterable(window.segments for window in heard))
    whole = replace(transcript_of(spoken, language="en", duration_ms=9_000), warnings=damaged)
    assert decode_transcript(content) == whole
    assert (content, assembled.sha256) == encode_transcript(whole)
    assert assembled.sha256 == sha256(content).hexdigest()
    assert assembled.word_count == whole.word_count
