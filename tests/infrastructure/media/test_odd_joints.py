"""Nothing of a file is dropped without a word: what FFmpeg would pass over is heard, or refused for what it is."""

from pathlib import Path
from typing import Final

import pytest

from domain.media_errors import JoinedMedia, NotMedia, TruncatedMedia
from infrastructure.media.probe import probe
from tests.infrastructure.media.odd_joints import AMR, BEHIND, CAF, JOINED, JUNK, UNSIZED, W64
from tests.infrastructure.media.odd_times import Make, once
from tests.infrastructure.media.recordings import FLAC, Form, cut_off
from tests.infrastructure.media.sounds import is_spoken, loudness, sentence, write_sound
from tests.infrastructure.media.test_odd_times import LIMITS, read


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in JOINED.items()])
async def test_recordings_of_which_only_the_first_would_be_heard_are_refused_as_joined(
    make: Make, tmp_path: Path
) -> None:
    with pytest.raises(JoinedMedia, match="send them one by one"):
        await probe(make(tmp_path / "media"), LIMITS)


@pytest.mark.parametrize("between", [b"", JUNK, bytes(99_999)], ids=["nothing", "junk", "zeros"])
async def test_joined_amr_is_heard_as_one(between: bytes, tmp_path: Path) -> None:
    content = once(AMR, tmp_path / "media").read_bytes()
    (tmp_path / "media").write_bytes(content + between + content)
    facts, pcm = await read(tmp_path / "media")
    assert facts.duration_seconds == pytest.approx(11.0, abs=0.1)
    assert is_spoken(pcm, 0.0)
    second = facts.duration_seconds / 2
    assert min(loudness(pcm, second + at, second + at + 0.25) for at in (1.1, 2.0, 3.0, 3.6)) > 800


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in UNSIZED.items()])
async def test_all_the_sound_is_heard_whatever_the_head_says_and_nothing_else(
    make: Make, tmp_path: Path
) -> None:
    facts, pcm = await read(make(tmp_path / "media"))
    assert facts.duration_seconds == pytest.approx(5.5, abs=0.05)
    assert is_spoken(pcm)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in BEHIND.items()])
async def test_a_recording_behind_junk_or_unused_space_is_heard(make: Make, tmp_path: Path) -> None:
    facts, pcm = await read(make(tmp_path / "media"))
    assert facts.duration_seconds == pytest.approx(5.5, abs=0.05)
    assert is_spoken(pcm)


async def test_a_recording_in_what_is_neither_junk_nor_unused_is_not_looked_for(tmp_path: Path) -> None:
    """Archives and disk images hold others beside it."""
    content = once(FLAC, tmp_path / "media").read_bytes()
    (tmp_path / "media").write_bytes(b"an index of names and places\n" * 10_000 + content)
    with pytest.raises(NotMedia):
        await probe(tmp_path / "media", LIMITS)


@pytest.mark.parametrize("options", [{}, {"live": "1"}], ids=["sized", "live"])
@pytest.mark.parametrize(
    "forms",
    [("pcm_s16le", 16_000, "pcm_s16le", 48_000), ("aac", 44_100, "flac", 44_100)],
    ids=["rate", "codec"],
)
async def test_matroska_joined_of_two_kinds_of_sound_is_refused_as_joined(
    forms: tuple[str, int, str, int], options: dict[str, str], tmp_path: Path
) -> None:
    """The second was played at the rate of the first, three times as slow."""
    parts = [
        once(Form("matroska", codec, rate, options), tmp_path / "media").read_bytes()
        for codec, rate in (forms[:2], forms[2:])
    ]
    (tmp_path / "media").write_bytes(b"".join(parts))
    with pytest.raises(JoinedMedia):
        await probe(tmp_path / "media", LIMITS)


SIZED: Final = (
    *(CAF, W64, Form("caf", "adpcm_ima_qt"), Form("avi", "libmp3lame"), Form("avi", "pcm_s16le")),
    *(
        Form("asf", "wmav2", bit_rate=64_000),
        Form("rm", "real_144", 8_000),
        Form("wav", "adpcm_ms", 16_000),
    ),
    *(Form("wav", "g722", 16_000), Form("wav", "libmp3lame", 16_000)),
)
"""Their heads say how many bytes there are, if not how many seconds."""


@pytest.mark.parametrize("form", SIZED, ids=lambda form: f"{form.container}-{form.codec}")
async def test_a_file_that_was_cut_off_is_refused_as_that(form: Form, tmp_path: Path) -> None:
    with pytest.raises(TruncatedMedia) as refused:
        await probe(cut_off(once(form, tmp_path / "media"), share=0.5), LIMITS)
    assert refused.value.expected_seconds == pytest.approx(5.5, abs=0.4)


async def test_a_broadcast_whose_sizes_mean_nothing_is_not_cut_off(tmp_path: Path) -> None:
    """A flag of ASF says so."""
    content = bytearray(once(Form("asf", "wmav2", bit_rate=64_000), tmp_path / "media").read_bytes())
    content[content.index(bytes.fromhex("a1dcab8c47a9cf11")) + 88] |= 1
    (tmp_path / "media").write_bytes(content[: len(content) * 7 // 10])
    assert (await probe(tmp_path / "media", LIMITS)).duration_seconds == pytest.approx(3.8, abs=0.3)


async def test_a_stream_too_short_to_say_what_it_is_has_no_rate_of_0(tmp_path: Path) -> None:
    form = Form("mpegts", "aac")
    with pytest.raises(NotMedia):
        await probe(write_sound(tmp_path / "media", form, sentence(form.rate)[:1]), LIMITS)


@pytest.mark.parametrize("copies", [1, 2])
async def test_fragments_that_begin_anew_are_another_recording(copies: int, tmp_path: Path) -> None:
    """As browsers write them, without an index at the end."""
    fragments = {"movflags": "empty_moov+default_base_moof", "frag_duration": "1000000"}
    content = once(Form("mp4", "aac", options=fragments), tmp_path / "media").read_bytes()
    (tmp_path / "media").write_bytes(content[: content.index(b"mfra") - 4] * copies)
    if copies == 1:
        assert (await probe(tmp_path / "media", LIMITS)).duration_seconds == pytest.approx(5.5, abs=0.1)
        return
    with pytest.raises(JoinedMedia):
        await probe(tmp_path / "media", LIMITS)


async def test_a_head_that_is_repeated_between_fragments_joins_nothing(tmp_path: Path) -> None:
    fragments = {"movflags": "empty_moov+default_base_moof", "frag_duration": "1000000"}
    content = once(Form("mp4", "aac", options=fragments), tmp_path / "media").read_bytes()
    first = content.index(b"moof") - 4
    second = content.index(b"moof", first + 8) - 4
    (tmp_path / "media").write_bytes(content[:second] + content[:first] + content[second:])
    assert (await probe(tmp_path / "media", LIMITS)).duration_seconds == pytest.approx(5.5, abs=0.1)
