"""Names that clients send, names that they get, and what is left of uploads that were never finished."""

import pytest

from api.filenames import FILENAME_CHARACTERS_MAX, clean_filename
from api.transcripts import disposition


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("talk.mp3", "talk.mp3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\anna\\talk.mp3", "talk.mp3"),
        ("Gespräch 1.mp3", "Gespräch 1.mp3"),
        ("a\r\nSet-Cookie: x.mp3", "aSet-Cookie: x.mp3"),
        ("\x1b[31mred.mp3", "[31mred.mp3"),
        ("  spaces.mp3 ", "spaces.mp3"),
        ("folder/", "upload"),
        ("..", "upload"),
        ("\x00", "upload"),
    ],
)
def test_of_a_filename_its_last_part_is_kept(sent: str, kept: str) -> None:
    assert clean_filename(sent) == kept


def test_a_long_filename_keeps_its_extension() -> None:
    name = clean_filename("x" * 300 + ".mp3")
    assert len(name) == FILENAME_CHARACTERS_MAX
    assert name.endswith("x.mp3")
    assert len(clean_filename("." + "x" * 300)) == FILENAME_CHARACTERS_MAX


def test_a_download_has_its_name_for_old_and_new_clients() -> None:
    assert disposition("attachment", 'a"b\\c%.txt') == (
        "attachment; filename=\"a_b_c_.txt\"; filename*=UTF-8''a%22b%5Cc%25.txt"
    )
