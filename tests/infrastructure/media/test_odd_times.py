"""A recording is as long as its sound, whatever its container says of time."""

from pathlib import Path

import pytest

from domain.media_errors import TruncatedMedia
from infrastructure.media.answers import MediaFacts
from infrastructure.media.decode import open_pcm
from infrastructure.media.pcm import BYTES_PER_SECOND
from infrastructure.media.probe import ProbeLimits, probe
from infrastructure.media.probe_child import examine
from tests.infrastructure.media.odd_times import (
    END_SPOILED,
    ONCE,
    RAW_SPOILED,
    SPOILED,
    TAILED,
    TWICE,
    Make,
    edited,
    once,
    opus_cropped,
    opus_in_mp4,
)
from tests.infrastructure.media.recordings import ADTS, MP3, Form
from tests.infrastructure.media.sounds import SENTENCE_SECONDS, is_spoken, loudness

LIMITS = ProbeLimits(seconds_max=36_000)


async def read(path: Path) -> tuple[MediaFacts, bytes]:
    """What the probe says and the decoder gives, which are equally long."""
    facts = await probe(path, LIMITS)
    with open_pcm(path, facts.duration_seconds) as sound:
        pcm = b"".join(sound)
    assert sound.decoded_seconds == pytest.approx(facts.duration_seconds, abs=0.1)
    assert len(pcm) / BYTES_PER_SECOND == pytest.approx(facts.duration_seconds, abs=0.1)
    return facts, pcm


@pytest.mark.parametrize(("seconds", "kept"), [(5.5, 2), (30.0, 10)])
async def test_an_edit_list_trims(seconds: float, kept: int, tmp_path: Path) -> None:
    """Row 1. The voice was there from 1.5 s on, so it is there at once."""
    facts, pcm = await read(edited(tmp_path / "media", seconds, kept))
    assert facts.duration_seconds == pytest.approx(kept, abs=0.1)
    assert loudness(pcm, 0.05, 0.3) > 800


async def test_pre_skip_crops(tmp_path: Path) -> None:
    """Row 2, RFC 7845, section 4.2. The voice comes a second earlier."""
    facts, pcm = await read(opus_cropped(tmp_path / "media"))
    assert facts.duration_seconds == pytest.approx(4.5, abs=0.1)
    assert loudness(pcm, 0.05, 0.3) > 800


async def test_an_edit_list_crops_opus(tmp_path: Path) -> None:
    """Row 3."""
    facts, _ = await read(opus_in_mp4(tmp_path / "media"))
    assert facts.duration_seconds == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in ONCE.items()])
async def test_one_sentence_is_heard_where_it_was_spoken(make: Make, tmp_path: Path) -> None:
    facts, pcm = await read(make(tmp_path / "media"))
    assert facts.duration_seconds == pytest.approx(SENTENCE_SECONDS, abs=0.1)
    assert is_spoken(pcm)


@pytest.mark.parametrize(
    ("make", "second_seconds"), [pytest.param(*row, id=name) for name, row in TWICE.items()]
)
async def test_both_sentences_are_heard_where_they_were_spoken(
    make: Make, second_seconds: float, tmp_path: Path
) -> None:
    facts, pcm = await read(make(tmp_path / "media"))
    assert facts.duration_seconds == pytest.approx(second_seconds + SENTENCE_SECONDS, abs=0.1)
    assert is_spoken(pcm)
    assert is_spoken(pcm, second_seconds)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in END_SPOILED.items()])
async def test_a_spoiled_end_is_no_cut(make: Make, tmp_path: Path) -> None:
    """Row 14: the silence at the end may go with it, the sentence does not."""
    _, pcm = await read(make(tmp_path / "media"))
    assert loudness(pcm, 1.2, 3.8) > 800


@pytest.mark.parametrize(
    "form", [MP3, ADTS, Form("ac3", "ac3"), Form("mpegts", "aac")], ids=lambda form: form.container
)
async def test_a_first_frame_that_was_cut_is_no_cut(form: Form, tmp_path: Path) -> None:
    """Row 14."""
    whole = once(form, tmp_path / "whole").read_bytes()
    (tmp_path / "media").write_bytes(whole[100:])
    facts, pcm = await read(tmp_path / "media")
    assert facts.duration_seconds == pytest.approx(5.4, abs=0.25)
    assert loudness(pcm, 1.2, 3.6) > 800


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in SPOILED.items()])
async def test_a_spoiled_stretch_is_silent_and_named_and_what_follows_is_in_its_place(
    make: Make, tmp_path: Path
) -> None:
    """Row 15."""
    facts = await probe(make(tmp_path / "media"), LIMITS)
    assert facts.duration_seconds == pytest.approx(22.0, abs=0.3)
    with open_pcm(tmp_path / "media", facts.duration_seconds) as sound:
        pcm = b"".join(sound)
    assert sound.decoded_seconds == pytest.approx(facts.duration_seconds, abs=0.1)
    assert is_spoken(pcm)
    assert loudness(pcm, 17.6, 20.4) > 800
    lost = sum(damage.end_ms - damage.start_ms for damage in sound.damages)
    assert 1_500 < lost < 6_000
    assert all(2_000 < damage.start_ms < damage.end_ms < 15_000 for damage in sound.damages)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in RAW_SPOILED.items()])
async def test_what_is_lost_of_a_raw_stream_is_as_long_as_so_many_bytes_of_it_last(
    make: Make, tmp_path: Path
) -> None:
    """Row 15, where nobody has counted the frames: what follows keeps its time as far as their sizes tell it."""
    facts = await probe(make(tmp_path / "media"), LIMITS)
    assert facts.duration_seconds == pytest.approx(22.0, abs=0.5)
    with open_pcm(tmp_path / "media", facts.duration_seconds) as sound:
        pcm = b"".join(sound)
    assert sound.decoded_seconds == pytest.approx(facts.duration_seconds, abs=0.1)
    [lost] = sound.damages
    assert lost.start_ms == pytest.approx(6_600, abs=500)
    assert lost.end_ms == pytest.approx(9_900, abs=700)
    assert loudness(pcm, 7.3, 9.2) < 50
    assert loudness(pcm, 17.4, 17.6) < 100
    assert min(loudness(pcm, 16.2, 16.5), loudness(pcm, 18.5, 18.8)) > 800


async def test_a_recording_of_which_nothing_is_left_but_its_head_is_refused(tmp_path: Path) -> None:
    content = ONCE["4-flac-counts-anew"](tmp_path / "media").read_bytes()
    (tmp_path / "media").write_bytes(content[: len(content) // 3])
    with pytest.raises(TruncatedMedia):
        await probe(tmp_path / "media", LIMITS)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in TAILED.items()])
def test_what_is_no_sound_at_the_end_is_not_counted_where_packets_are(make: Make, tmp_path: Path) -> None:
    """Row 13. Recordings of more than a minute were accepted as too long, and failed as too short."""
    counted = examine(make(tmp_path / "media"), 36_000.0, 0.5).duration_seconds
    assert counted == pytest.approx(SENTENCE_SECONDS, abs=0.1)
