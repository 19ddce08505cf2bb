"""Sound is told from what is none, whatever it is coded as."""

import random
from pathlib import Path

import pytest

from infrastructure.media.formats import open_media
from infrastructure.media.tails import is_no_sound
from tests.infrastructure.media.odd_times import once
from tests.infrastructure.media.odd_wavs import CODES
from tests.infrastructure.media.recordings import Form


def judged(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    with path.open("rb") as file:
        return is_no_sound(file.fileno(), 0, len(content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(3_000_000),
        b"\xff" * 3_000_000,
        random.Random(1).randbytes(700),
        random.Random(2).randbytes(3_000_000),
        bytes(5_000) + random.Random(3).randbytes(100_000) + bytes(300_000),
        b"<html>\r\n" * 90_000,
        random.Random(4).randbytes(100),
    ],
    ids=["nothing", "zeros", "ones", "little junk", "much junk", "junk between zeros", "text", "a little"],
)
def test_what_follows_no_sound_was_recorded_in_is_none(content: bytes, tmp_path: Path) -> None:
    assert judged(tmp_path / "tail", content)


@pytest.mark.parametrize(
    "form",
    [form for form in CODES if form.codec.startswith(("pcm", "adpcm", "g722"))],
    ids=lambda form: form.codec,
)
def test_samples_of_any_code_are_sound(form: Form, tmp_path: Path) -> None:
    with open_media(once(form, tmp_path / "media")) as container:
        content = b"".join(bytes(packet) for packet in container.demux() if packet.size)
    assert not judged(tmp_path / "tail", content)
    assert not judged(tmp_path / "tail", content[len(content) // 2 :])
