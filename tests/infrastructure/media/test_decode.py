"""Decoding gives all the sound, in its place, or says that it could not."""

import array
import os
import signal
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import msgspec
import psutil
import pytest

from domain.media_errors import MediaTooLong, NotMedia
from domain.transcript import Damage
from infrastructure.media.decode import DecodingFailed, PcmStream, open_pcm
from infrastructure.media.fork_server import ForkServer
from infrastructure.media.forked import fork
from infrastructure.media.pcm import BYTES_PER_SECOND, LENGTH, LOST, SAMPLE_RATE
from infrastructure.media.probe import ProbeLimits, probe
from infrastructure.media.sandbox import Limits
from infrastructure.media.warm import DECODE, MEDIA_CHILDREN
from tests.infrastructure.media.recordings import (
    ADTS,
    FLAC,
    HERTZ,
    LIVE_WEBM,
    M4A_FAST_START,
    MKV,
    MP3,
    OGG,
    WAV,
    Form,
    overwrite,
    write_recording,
)

MEGABYTE = 1 << 20
SCRIPT = "tests.infrastructure.media.script_child"


def decode(path: Path, duration_seconds: float, server: ForkServer = MEDIA_CHILDREN) -> tuple[bytes, float]:
    with open_pcm(path, duration_seconds, server) as sound:
        return b"".join(sound), sound.decoded_seconds


def loudness(pcm: bytes, begin_seconds: float, end_seconds: float) -> float:
    """The mean of the sizes of the samples."""
    first, last = (round(at * SAMPLE_RATE) for at in (begin_seconds, end_seconds))
    samples = array.array("h", pcm)[first:last]
    return sum(map(abs, samples)) / len(samples)


@pytest.mark.parametrize(
    "form", [WAV, MP3, FLAC, M4A_FAST_START, ADTS, OGG, LIVE_WEBM, MKV], ids=lambda form: form.container
)
async def test_every_form_becomes_the_same_tone(form: Form, tmp_path: Path) -> None:
    pcm, decoded_seconds = decode(write_recording(tmp_path / "media", form, seconds=4.0), 4.0)
    assert decoded_seconds == pytest.approx(4.0, abs=0.1)
    assert len(pcm) / BYTES_PER_SECOND == pytest.approx(4.0, abs=0.1)
    crossings = sum((one < 0) != (other < 0) for one, other in pairwise(array.array("h", pcm)))
    assert crossings / 2 / 4.0 == pytest.approx(HERTZ, rel=0.03)


def test_stereo_is_heard_as_one(tmp_path: Path) -> None:
    stereo = write_recording(tmp_path / "media", FLAC, seconds=2.0, layout="stereo")
    pcm, _ = decode(stereo, 2.0)
    assert len(pcm) == 2 * BYTES_PER_SECOND
    assert loudness(pcm, 0.5, 1.5) == pytest.approx(8_000 * 0.637, rel=0.05)


def test_a_hole_in_the_time_stamps_becomes_silence(tmp_path: Path) -> None:
    """So that every word after it is found when it was spoken."""
    dropout = write_recording(tmp_path / "media", LIVE_WEBM, seconds=6.0, hole=(3.0, 1.0))
    pcm, decoded_seconds = decode(dropout, 7.0)
    assert decoded_seconds == pytest.approx(7.0, abs=0.1)
    assert loudness(pcm, 3.2, 3.8) < 50
    assert min(loudness(pcm, 1, 2), loudness(pcm, 5, 6)) > 3_000


@pytest.mark.parametrize("form", [MKV, Form("mp4", "aac")], ids=lambda form: form.container)
async def test_sound_that_begins_after_the_pictures_keeps_its_place(form: Form, tmp_path: Path) -> None:
    """Or every subtitle of the film would come too early."""
    late = write_recording(tmp_path / "media", form, seconds=4.0, hole=(0.0, 2.0), video_seconds=6.0)
    facts = await probe(late, ProbeLimits(seconds_max=60))
    assert facts.duration_seconds == pytest.approx(6.0, abs=0.1)
    pcm, decoded_seconds = decode(late, facts.duration_seconds)
    assert decoded_seconds == pytest.approx(6.0, abs=0.1)
    assert loudness(pcm, 0, 1.9) < 50
    assert loudness(pcm, 2.2, 5.8) > 3_000


@pytest.mark.parametrize("form", [MP3, OGG], ids=lambda form: form.container)
async def test_files_that_were_joined_are_probed_and_decoded_as_one(form: Form, tmp_path: Path) -> None:
    parts = [write_recording(tmp_path / str(seconds), form, seconds=seconds) for seconds in (6.0, 4.0)]
    joined = tmp_path / "joined"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    facts = await probe(joined, ProbeLimits(seconds_max=60))
    assert facts.duration_seconds == pytest.approx(10.0, abs=0.2)
    assert decode(joined, facts.duration_seconds)[1] == pytest.approx(10.0, abs=0.2)


def test_a_recording_that_changes_its_form_on_the_way_is_followed(tmp_path: Path) -> None:
    parts = [
        write_recording(tmp_path / str(rate), Form("adts", "aac", rate), seconds=3.0).read_bytes()
        for rate in (44_100, 22_050)
    ]
    joined = tmp_path / "joined"
    joined.write_bytes(b"".join(parts))
    pcm, _ = decode(joined, 6.0)
    assert len(pcm) / BYTES_PER_SECOND == pytest.approx(6.0, abs=0.3)


def test_a_recording_whose_middle_is_broken_is_silent_there_and_says_so(tmp_path: Path) -> None:
    broken = overwrite(
        write_recording(tmp_path / "media", M4A_FAST_START, seconds=20.0), begin=0.3, end=0.7
    )
    with open_pcm(broken, 20.0) as sound:
        pcm = b"".join(sound)
    assert len(pcm) / BYTES_PER_SECOND == pytest.approx(20.0, abs=0.1)
    assert min(loudness(pcm, 1, 5), loudness(pcm, 15, 19)) > 3_000
    assert all(5_000 < damage.start_ms < damage.end_ms < 15_000 for damage in sound.damages)
    assert sum(damage.end_ms - damage.start_ms for damage in sound.damages) > 2_000


def test_one_broken_moment_is_survived_and_what_follows_stays_in_its_place(tmp_path: Path) -> None:
    scratched = overwrite(
        write_recording(tmp_path / "media", M4A_FAST_START, seconds=20.0), begin=0.5, end=0.51
    )
    pcm, _ = decode(scratched, 20.0)
    assert len(pcm) / BYTES_PER_SECOND == pytest.approx(20.0, abs=0.4)


def test_more_sound_than_was_probed_is_refused(tmp_path: Path) -> None:
    """A file that tricks the probe is not transcribed for free."""
    with pytest.raises(MediaTooLong):
        decode(write_recording(tmp_path / "media", WAV, seconds=20.0), 5.0)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"hello world\n" * 1_000)
    with pytest.raises(NotMedia):
        decode(tmp_path / "media", 5.0)


def test_a_decoder_that_is_killed_is_the_recordings_doing(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "media", FLAC, seconds=600.0, amplitude=0, frame_seconds=1.0)
    with open_pcm(recording, 600.0) as sound:
        blocks = iter(sound)
        next(blocks)
        psutil.Process(sound.pid).kill()
        with pytest.raises(NotMedia):
            list(blocks)


def test_what_a_decoder_gave_before_it_crashed_is_kept(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "media", FLAC, seconds=600.0, amplitude=0, frame_seconds=1.0)
    with open_pcm(recording, 600.0) as sound:
        blocks = iter(sound)
        given = len(next(blocks))
        psutil.Process(sound.pid).send_signal(signal.SIGSEGV)
        given += sum(map(len, blocks))
    assert 0 < sound.decoded_seconds < 600
    assert sound.decoded_seconds == pytest.approx(given / BYTES_PER_SECOND)


def test_what_was_lost_before_a_decoder_crashed_is_named() -> None:
    script = f"""
    from struct import pack
    for length, sample in (({BYTES_PER_SECOND}, 1), ({BYTES_PER_SECOND} + {LOST}, 0), ({BYTES_PER_SECOND}, 1)):
        sys.stdout.buffer.write(pack({LENGTH!r}, length) + bytes([sample]) * {BYTES_PER_SECOND})
    sys.stdout.flush()
    os.abort()
    """
    sound = PcmStream(fork(MEDIA_CHILDREN, SCRIPT, script))
    try:
        assert len(b"".join(sound)) == 3 * BYTES_PER_SECOND
    finally:
        sound.close()
    assert (sound.decoded_seconds, sound.lost_seconds) == (3.0, 1.0)
    assert sound.damages == (Damage(start_ms=1_000, end_ms=2_000),)


def test_a_decoder_that_exits_early_is_no_verdict() -> None:
    """The end of its output alone is not the end of the recording."""
    script = r"os.write(1, b'\x02\0\0\0ab'); os._exit(3)"
    sound = PcmStream(fork(MEDIA_CHILDREN, SCRIPT, script))
    try:
        with pytest.raises(DecodingFailed, match="code 3"):
            list(sound)
    finally:
        sound.close()


def test_a_decoder_whose_fork_server_died_is_no_verdict(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "media", FLAC, seconds=600.0, amplitude=0, frame_seconds=1.0)
    with closing(ForkServer(DECODE)) as server:
        with open_pcm(recording, 600.0, server) as sound:
            blocks = iter(sound)
            next(blocks)
            assert server.pid is not None
            psutil.Process(server.pid).kill()
            with pytest.raises(DecodingFailed):
                list(blocks)
        assert decode(recording, 600.0, server)[1] == 600.0


def test_a_decoder_does_not_outlive_its_reader(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "media", FLAC, seconds=600.0, amplitude=0, frame_seconds=1.0)
    with open_pcm(recording, 600.0) as sound:
        next(iter(sound))
        pid = sound.pid
    assert not psutil.pid_exists(pid)


def test_a_decoder_whose_reader_goes_away_ends_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recording = write_recording(tmp_path / "media", WAV, seconds=60.0)
    child = fork(MEDIA_CHILDREN, DECODE, msgspec.json.encode(Limits()).decode(), str(recording), "60")
    os.read(child.output, 1)
    with Path(os.devnull).open() as nothing:
        os.dup2(
            nothing.fileno(), child.output
        )  # closes the pipe, and leaves a descriptor for the end to close
    assert child.wait(30) == -signal.SIGPIPE
    child.end(30)
    assert capfd.readouterr().err == ""


def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "media", FLAC, seconds=3600.0, amplitude=0, frame_seconds=1.0)
    assert recording.stat().st_size < 3 * MEGABYTE
    peak = 0
    with open_pcm(recording, 3600.0) as sound:
        for number, _ in enumerate(sound):
            if number % 200 == 0:
                peak = max(peak, psutil.Process(sound.pid).memory_info().rss)
    assert sound.decoded_seconds == 3600.0
    assert 0 < peak < 150 * MEGABYTE
