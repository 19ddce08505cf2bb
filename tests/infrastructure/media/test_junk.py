"""What stands in place of sound is measured in bytes, without tags."""

import random
from pathlib import Path

import pytest

from infrastructure.media.junk import WINDOW_BYTES, Follower, Tags
from tests.infrastructure.media.odd_bytes import id3

NOISE = random.Random(11).randbytes(4_000).replace(b"ID3", b"id3")
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (500).to_bytes(4, "little") + bytes(16)


@pytest.mark.parametrize(
    ("junk", "sound"),
    [
        (NOISE, 4_000),
        (id3(500), 0),
        (NOISE + id3(500) + NOISE, 8_000),
        (NOISE + id3(500) + id3(10) + NOISE, 8_000),
        (NOISE + APE + bytes(500) + NOISE, 8_000),
        (NOISE + b"ID3\x09\0\0\0\0\1\0" + NOISE, 8_010),
        (NOISE + b"ID3\x04\0\0", 4_006),
    ],
    ids=["noise", "tag", "between", "two", "ape", "not one", "cut"],
)
def test_tags_are_no_sound(junk: bytes, sound: int) -> None:
    assert Tags().sound_bytes(junk, 0) == sound


def test_a_tag_goes_on_in_the_next_stretch() -> None:
    tags, tag = Tags(), id3(500)
    assert tags.sound_bytes(NOISE + tag[:100], 1_000) == 4_000
    assert tags.sound_bytes(tag[150:] + NOISE, 1_000 + 4_000 + 150) == 4_000


def follow(path: Path, *pieces: tuple[bytes, bool]) -> list[int]:
    """What was passed over before each packet; pieces are packets or junk."""
    path.write_bytes(b"".join(piece for piece, _ in pieces))
    follower = Follower(path)
    return [follower.passed_over(piece) for piece, is_packet in pieces if is_packet]


def packet(number: int, length: int = 300) -> tuple[bytes, bool]:
    return random.Random(number).randbytes(length), True


def test_packets_that_follow_each_other_have_nothing_between_them(tmp_path: Path) -> None:
    assert follow(tmp_path / "stream", *map(packet, range(9_000))) == [0] * 9_000


@pytest.mark.parametrize("length", [1, 4_000, WINDOW_BYTES, 3 * WINDOW_BYTES + 5])
def test_what_was_passed_over_is_counted(length: int, tmp_path: Path) -> None:
    junk = random.Random(2).randbytes(length).replace(b"ID3", b"id3")
    passed = follow(tmp_path / "stream", packet(1), (junk, False), packet(3), packet(4))
    assert passed == [0, length, 0]


def test_of_what_was_passed_over_tags_do_not_count(tmp_path: Path) -> None:
    between = NOISE + id3(2 * WINDOW_BYTES) + NOISE
    assert follow(tmp_path / "stream", packet(1), (between, False), packet(3)) == [0, 8_000]


def test_a_packet_that_is_not_in_the_file_ends_the_search(tmp_path: Path) -> None:
    (tmp_path / "stream").write_bytes(packet(1)[0] + NOISE + packet(2)[0])
    follower = Follower(tmp_path / "stream")
    assert [follower.passed_over(packet(number)[0]) for number in (1, 3, 2)] == [0, 0, 0]
