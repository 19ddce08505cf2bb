"""Where results go, on disks and with names of every kind."""

import errno
import os
from pathlib import Path

import pytest

from cli.targets import NotWritten, ResultExists, SameResult, require_free, targets_of, write_result


def without_links(_source: Path, _target: Path) -> None:
    """As on a USB stick."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_disk_that_has_no_links_gets_the_result_all_the_same(tmp_path: Path) -> None:
    write_result(tmp_path / "talk.txt", b"said", force=False, link=without_links)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("talk.txt", b"said")]


def test_nor_does_it_replace_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("edited by hand")
    with pytest.raises(ResultExists):
        write_result(tmp_path / "talk.txt", b"said", force=False, link=without_links)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["edited by hand"]


def test_a_name_as_long_as_a_disk_takes_is_written(tmp_path: Path) -> None:
    target = tmp_path / ("a" * 251 + ".txt")
    write_result(target, b"said", force=False)
    assert target.read_bytes() == b"said"


def test_a_result_whose_name_would_be_too_long_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    recording = tmp_path / ("a" * 251 + ".mp3")
    with pytest.raises(NotWritten, match="File name too long"):
        targets_of([recording], tmp_path, "json", force=False)


@pytest.mark.parametrize("force", [False, True])
def test_a_place_below_a_file_is_one_line(tmp_path: Path, force: bool) -> None:
    (tmp_path / "talk.mp3").touch()
    target = tmp_path / "talk.mp3" / "talk.txt"
    with pytest.raises(NotWritten, match="Not a directory"):
        require_free(target, force=force)
    with pytest.raises(NotWritten, match="Not a directory"):
        write_result(target, b"said", force=force)


def test_a_folder_or_a_device_is_not_replaced_by_force(tmp_path: Path) -> None:
    (tmp_path / "talk.txt").mkdir()
    with pytest.raises(NotWritten, match="no regular file"):
        require_free(tmp_path / "talk.txt", force=True)
    with pytest.raises(NotWritten, match="no regular file"):
        require_free(Path("/dev/null"), force=True)


def test_a_link_that_leads_nowhere_is_there(tmp_path: Path) -> None:
    (tmp_path / "talk.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ResultExists):
        require_free(tmp_path / "talk.txt", force=False)


def test_a_recording_is_not_replaced_by_its_own_text(tmp_path: Path) -> None:
    recording = tmp_path / "talk.txt"
    recording.write_bytes(b"sound")
    with pytest.raises(NotWritten, match="is a recording"):
        targets_of([recording], tmp_path, "txt", force=True)


def test_the_recording_that_is_there_twice_is_the_one_that_is_named(tmp_path: Path) -> None:
    files = [Path("once.mp3"), Path("twice.mp3"), Path("twice.mp3")]
    with pytest.raises(SameResult, match="twice"):
        targets_of(files, tmp_path, "txt", force=False)
