"""What phones, voicemail, cameras and recorders write is read, as far as it can be made here.

PyAV has no encoder for WMA Pro, AMR-WB, GSM, DTS, Speex, Musepack, Monkey's Audio, TAK and DSD. For AMR-WB and GSM a few
bytes written by hand stand for a file; the others are on the list because FFmpeg's decoders for them are old and plain.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from infrastructure.media.formats import DECODERS, DEMUXERS
from infrastructure.media.probe import probe
from tests.infrastructure.media.forms import FORMS
from tests.infrastructure.media.odd_bytes import chunk, wav
from tests.infrastructure.media.recordings import Form
from tests.infrastructure.media.sounds import is_spoken, sentence, write_sound
from tests.infrastructure.media.test_odd_times import LIMITS, read

SILENT_GSM: Final = bytes.fromhex("d820a2e15a50004924924924500049249249245000492492492450004924924924")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"22-{form.container}-{form.codec}")
async def test_it_is_read_wherever_it_comes_from(form: Form, tmp_path: Path) -> None:
    """Row 22."""
    facts, pcm = await read(write_sound(tmp_path / "media", form, sentence(form.rate)))
    assert facts.duration_seconds == pytest.approx(5.5, abs=0.1)
    assert is_spoken(pcm)


async def test_amr_wideband_is_read(tmp_path: Path) -> None:
    """RFC 4867, section 5: frames of type 15, without speech, of 20 ms each."""
    (tmp_path / "media").write_bytes(b"#!AMR-WB\n" + b"\x7c" * 275)
    facts, pcm = await read(tmp_path / "media")
    assert facts.codec == "amrwb"
    assert facts.duration_seconds == pytest.approx(5.5)
    assert not np.frombuffer(pcm, np.int16).any()


async def test_raw_gsm_is_read(tmp_path: Path) -> None:
    """As voicemail keeps it: 33 bytes for 20 ms."""
    (tmp_path / "media").write_bytes(SILENT_GSM * 275)
    facts, _ = await read(tmp_path / "media")
    assert facts.codec == "gsm"
    assert facts.duration_seconds == pytest.approx(5.5)


async def test_gsm_in_a_wav_is_read(tmp_path: Path) -> None:
    """Code 0x31: 65 bytes for 40 ms."""
    form = chunk(b"fmt ", bytes.fromhex("31000100401f0000590600004100000002004001"))
    (tmp_path / "media").write_bytes(
        wav(form, chunk(b"fact", b"\xe0\xab\0\0"), chunk(b"data", bytes(65) * 137))
    )
    facts, _ = await read(tmp_path / "media")
    assert facts.codec == "gsm_ms"
    assert facts.duration_seconds == pytest.approx(5.48, abs=0.05)


async def test_an_avi_whose_header_counts_wrongly_but_is_all_there_is_read(tmp_path: Path) -> None:
    """It counts bytes for seconds, as some cameras do."""
    form = Form("avi", "adpcm_ms")
    facts = await probe(write_sound(tmp_path / "media", form, sentence(form.rate)), LIMITS)
    assert facts.duration_seconds == pytest.approx(5.5, abs=0.1)


def test_nothing_is_read_that_names_other_files() -> None:
    naming = {
        "hls",
        "dash",
        "concat",
        "sdp",
        "rtsp",
        "rtp",
        "image2",
        "lavfi",
        "imf",
        "smoothstreaming",
        "sap",
    }
    assert not naming & set(DEMUXERS.split(","))


def test_no_picture_is_decoded() -> None:
    assert not {"h264", "hevc", "mjpeg", "png", "gif", "vvc", "hap", "webp"} & DECODERS
