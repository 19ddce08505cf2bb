"""Logs stay bounded while their writers hold them open."""

from pathlib import Path

from embedded.log_files import cut_logs


def test_a_log_over_the_limit_is_emptied_and_its_content_kept_beside_it(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("ab") as writer:
        writer.write(b"old" * 100)
        writer.flush()
        cut_logs(tmp_path, bytes_max=200)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "api.log.1").read_bytes() == b"old" * 100


def test_a_log_within_the_limit_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "api.log").write_bytes(b"short")
    cut_logs(tmp_path, bytes_max=200)
    assert [file.name for file in tmp_path.iterdir()] == ["api.log"]
