"""A process's folder goes when the process goes, however it goes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infrastructure.media.children import child_environment
from infrastructure.scratch import open_scratch, remove_leftovers
from infrastructure.settings import InvalidSetting
from tests.builders import OTHER_WORKER, WORKER

PROGRAM = """
import sys
from pathlib import Path
from uuid import UUID
from infrastructure.scratch import open_scratch

with open_scratch(Path(sys.argv[1]), UUID(sys.argv[2])) as folder:
    (folder / "media").write_text("private")
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_worker(root: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """A process with a scratch folder of its own, and that folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), str(OTHER_WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(child_environment()),
    )
    with process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_the_folder_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with open_scratch(tmp_path / "root", WORKER) as folder:
        (folder / "media").touch()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "root").iterdir()) == []


def test_what_a_killed_worker_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    with other_worker(tmp_path) as (process, left):
        process.kill()
        process.wait(timeout=10)
        assert (left / "media").exists()
        assert remove_leftovers(tmp_path) == [OTHER_WORKER]
        assert list(tmp_path.iterdir()) == []
        assert remove_leftovers(tmp_path) == []


def test_the_folder_of_a_living_worker_is_left_alone(tmp_path: Path) -> None:
    with other_worker(tmp_path) as (_, other):
        assert remove_leftovers(tmp_path) == []
        assert (other / "media").exists()


def test_two_workers_have_two_folders(tmp_path: Path) -> None:
    with open_scratch(tmp_path, WORKER) as one, open_scratch(tmp_path, OTHER_WORKER) as other:
        assert one != other


def test_a_root_that_is_a_trap_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 12_345)
    with pytest.raises(InvalidSetting, match="belongs to another account"):
        remove_leftovers(tmp_path)
    with pytest.raises(InvalidSetting, match="belongs to another account"), open_scratch(tmp_path, WORKER):
        pass
