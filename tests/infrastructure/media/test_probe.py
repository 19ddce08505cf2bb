"""The probe tells how long a recording really is, and refuses what is none."""

import asyncio
import random
import zipfile
from pathlib import Path

import psutil
import pytest

from domain.media_errors import EmptyFile, MediaTooLong, NoAudio, NotMedia, TruncatedMedia, UnreadableMedia
from infrastructure.media.probe import MediaFacts, ProbeFailed, ProbeLimits, probe
from infrastructure.media.sandbox import Limits
from infrastructure.media.warm import MEDIA_CHILDREN
from tests.infrastructure.media.recordings import (
    ADTS,
    ALAC,
    FLAC,
    FRAGMENTED_MP4,
    LIVE_WEBM,
    M4A,
    M4A_FAST_START,
    MKV,
    MP3,
    OGG,
    WAV,
    WEBM,
    Form,
    claim_duration,
    cut_off,
    mp3_without_length,
    slow_wav,
    write_recording,
    write_silent_film,
)
from tests.stack.waiting import eventually

LIMITS = ProbeLimits(seconds_max=3600)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


def close_to(seconds: float) -> object:
    return pytest.approx(seconds, abs=0.1)


async def refusal(path: Path) -> type[UnreadableMedia]:
    with pytest.raises(UnreadableMedia) as refused:
        await probe(path, LIMITS)
    return refused.type


@pytest.mark.parametrize(
    "form",
    [WAV, MP3, FLAC, M4A, M4A_FAST_START, FRAGMENTED_MP4, ALAC, ADTS, OGG, WEBM, LIVE_WEBM, MKV],
    ids=lambda form: f"{form.container}-{form.codec}-{'-'.join(form.options)}",
)
async def test_a_recording_lasts_as_long_as_its_sound(form: Form, tmp_path: Path) -> None:
    facts = await probe(write_recording(tmp_path / "media", form, seconds=12.0), LIMITS)
    assert facts.duration_seconds == close_to(12.0)
    assert (facts.sample_rate, facts.channels) == (form.rate, 1)


async def test_the_facts_name_container_and_codec(tmp_path: Path) -> None:
    facts = await probe(write_recording(tmp_path / "media", FLAC, seconds=2.0, layout="stereo"), LIMITS)
    assert facts == MediaFacts(
        duration_seconds=2.0, container="flac", codec="flac", sample_rate=16_000, channels=2
    )


async def test_silence_is_a_recording_like_any_other(tmp_path: Path) -> None:
    silence = write_recording(tmp_path / "media", OGG, seconds=3.0, amplitude=0)
    assert (await probe(silence, LIMITS)).duration_seconds == close_to(3.0)


async def test_what_the_name_says_does_not_matter(tmp_path: Path) -> None:
    misnamed = write_recording(tmp_path / "film.mp4", OGG, seconds=2.0)
    assert (await probe(misnamed, LIMITS)).container == "ogg"


@pytest.mark.parametrize("bit_rates", [(32_000, 320_000), (320_000, 32_000)], ids=["rising", "falling"])
async def test_a_length_guessed_from_the_bit_rate_is_not_believed(
    bit_rates: tuple[int, int], tmp_path: Path
) -> None:
    """FFmpeg guesses 55 s or 6 s here, having looked at the beginning only."""
    parts = [
        write_recording(tmp_path / str(rate), mp3_without_length(rate), seconds=5.0).read_bytes()
        for rate in bit_rates
    ]
    joined = tmp_path / "joined"
    joined.write_bytes(b"".join(parts))
    assert (await probe(joined, LIMITS)).duration_seconds == pytest.approx(10.0, abs=0.2)


async def test_a_header_that_claims_too_little_does_not_shorten_the_bill(tmp_path: Path) -> None:
    forged = claim_duration(write_recording(tmp_path / "media", WEBM, seconds=12.0), seconds=1.0)
    assert (await probe(forged, LIMITS)).duration_seconds == close_to(12.0)


async def test_a_header_that_claims_a_little_too_much_is_forgiven(tmp_path: Path) -> None:
    sloppy = claim_duration(write_recording(tmp_path / "media", WEBM, seconds=12.0), seconds=12.4)
    assert (await probe(sloppy, LIMITS)).duration_seconds == close_to(12.0)


async def test_a_film_may_go_on_after_its_sound_has_ended(tmp_path: Path) -> None:
    film = write_recording(tmp_path / "media", MKV, seconds=4.0, video_seconds=12.0)
    assert (await probe(film, LIMITS)).duration_seconds == close_to(4.0)


async def test_a_hole_in_a_live_recording_counts_as_silence(tmp_path: Path) -> None:
    dropout = write_recording(tmp_path / "media", LIVE_WEBM, seconds=12.0, hole=(6.0, 2.0))
    assert (await probe(dropout, LIMITS)).duration_seconds == close_to(14.0)


@pytest.mark.parametrize(
    "form", [WAV, MP3, FLAC, M4A_FAST_START, WEBM, MKV], ids=lambda form: f"{form.container}"
)
async def test_a_file_that_broke_off_is_refused(form: Form, tmp_path: Path) -> None:
    whole = write_recording(tmp_path / "media", form, seconds=12.0)
    with pytest.raises(TruncatedMedia) as refused:
        await probe(cut_off(whole, share=1 / 3), LIMITS)
    assert refused.value.expected_seconds == close_to(12.0)
    assert refused.value.readable_seconds == pytest.approx(4.0, abs=1.0)


async def test_a_film_that_broke_off_is_refused(tmp_path: Path) -> None:
    film = write_recording(tmp_path / "media", MKV, seconds=12.0, video_seconds=12.0)
    assert await refusal(cut_off(film, share=1 / 3)) is TruncatedMedia


async def test_where_no_header_tells_the_length_what_is_there_counts(tmp_path: Path) -> None:
    whole = write_recording(tmp_path / "media", OGG, seconds=12.0)
    facts = await probe(cut_off(whole, share=1 / 3), LIMITS)
    assert facts.duration_seconds == pytest.approx(4.0, abs=1.0)


async def test_an_mp4_without_its_index_is_no_media(tmp_path: Path) -> None:
    whole = write_recording(tmp_path / "media", M4A, seconds=12.0)
    assert await refusal(cut_off(whole, share=0.5)) is NotMedia


async def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "media").touch()
    assert await refusal(tmp_path / "media") is EmptyFile


async def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    assert await refusal(write_silent_film(tmp_path / "media", seconds=2.0)) is NoAudio


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(random.Random(1).randbytes(200_000), id="random bytes"),
        pytest.param(random.Random(1).randbytes(5_000_000), id="many random bytes"),
        pytest.param(b"hello world\n" * 5_000, id="text"),
        pytest.param(bytes(200_000), id="zeros"),
        pytest.param(b"RIFF\x00\x00\x00\x00WAVEfmt ", id="header only"),
        pytest.param(PNG, id="picture"),
        pytest.param(b"%PDF-1.7\n" + bytes(10_000), id="document"),
    ],
)
@pytest.mark.parametrize("name", ["media", "media.mp3"])
async def test_what_is_no_recording_is_refused_under_any_name(
    content: bytes, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert await refusal(tmp_path / name) is NotMedia


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
async def test_an_archive_with_a_recording_in_it_is_refused(compression: int, tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "talk.mp3", MP3, seconds=5.0)
    with zipfile.ZipFile(tmp_path / "media.mp3", "w", compression) as archive:
        archive.write(recording, "talk.mp3")
    assert await refusal(tmp_path / "media.mp3") is NotMedia


async def test_a_recording_over_the_limit_is_refused(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "media", WAV, seconds=12.0)
    with pytest.raises(MediaTooLong, match="10 s"):
        await probe(recording, ProbeLimits(seconds_max=10.0))


async def test_a_slow_recording_that_is_too_long_is_refused_before_it_is_counted(tmp_path: Path) -> None:
    recording = slow_wav(tmp_path / "media", rate=1_000, seconds=4_000)
    with pytest.raises(MediaTooLong):
        await probe(recording, ProbeLimits(seconds_max=3600, child=Limits(cpu_seconds=2)))


@pytest.mark.parametrize("name", ["media", "media.m3u8", "media.mp3", "media.ffconcat", "media.sdp"])
@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {target}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
    ids=["m3u8", "ffconcat", "sdp"],
)
async def test_a_file_that_refers_to_another_file_reads_nothing(
    script: str, name: str, tmp_path: Path
) -> None:
    secret = write_recording(tmp_path / "secret.mp3", MP3, seconds=2.0)
    (tmp_path / name).write_text(script.format(target=secret))
    assert await refusal(tmp_path / name) is NotMedia


async def test_a_playlist_reaches_no_server(tmp_path: Path) -> None:
    connections: list[object] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        playlist = tmp_path / "media.m3u8"
        playlist.write_text(f"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:{port}/secret.mp3\n")
        assert await refusal(playlist) is NotMedia
    assert connections == []


async def test_a_probe_that_cannot_do_its_work_is_no_verdict(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "media", WAV, seconds=2.0)
    with pytest.raises(ProbeFailed):
        await probe(recording, ProbeLimits(seconds_max=3600, child=Limits(open_files=3)))


async def test_a_probe_past_its_deadline_is_no_verdict_and_leaves_no_process(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "media", WAV, seconds=2.0)
    with pytest.raises(TimeoutError):
        await probe(recording, ProbeLimits(seconds_max=3600, deadline_seconds=0.001))
    assert MEDIA_CHILDREN.pid is not None
    server = psutil.Process(MEDIA_CHILDREN.pid)
    await eventually(lambda: not server.children(), "the probe has ended")


async def test_a_probe_that_cannot_read_the_file_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await probe(tmp_path / "missing", LIMITS)
