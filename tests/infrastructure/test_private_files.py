"""What holds recordings, keys or logs is for its owner alone, whatever the umask says."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded.log_files import cut_logs
from embedded.processes import Command, run
from embedded.stack_folder import StackFolder
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.private_files import make_private, open_private, provide_private
from infrastructure.scratch import open_scratch
from tests.builders import WORKER


@pytest.fixture(params=[0, 0o022, 0o077, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): mode(path) for path in root.rglob("*")}


def test_folders_and_files_are_private(umask: int, tmp_path: Path) -> None:
    make_private(tmp_path / "made")
    provide_private(tmp_path / "one" / "in" / "another")
    open_private(tmp_path / "file", "xb").close()
    assert modes(tmp_path) == {
        "made": 0o700,
        "one": 0o700,
        "one/in": 0o700,
        "one/in/another": 0o700,
        "file": 0o600,
    }


def test_a_folder_that_is_there_is_left_as_it_is(umask: int, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o755)
    provide_private(tmp_path / "there" / "new")
    assert modes(tmp_path) == {"there": 0o755, "there/new": 0o700}


def test_nobody_reads_a_file_before_it_is_private(umask: int, tmp_path: Path) -> None:
    with open_private(tmp_path / "file", "xb"):
        assert mode(tmp_path / "file") == 0o600


async def test_recordings_in_a_folder_store_are_private(umask: int, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"some sound")
    (tmp_path / "sent").chmod(0o644)
    store = FolderObjectStore(tmp_path / "objects")
    await store.prepare()
    await store.put("media/anna/1", b"some sound")
    await store.put_file("media/bert/2", tmp_path / "sent")
    assert modes(tmp_path / "objects") == {
        ".incoming": 0o700,
        "media": 0o700,
        "media/anna": 0o700,
        "media/anna/1": 0o600,
        "media/bert": 0o700,
        "media/bert/2": 0o600,
    }
    assert mode(tmp_path / "objects") == 0o700


def test_a_process_keeps_recordings_on_their_way_to_itself(umask: int, tmp_path: Path) -> None:
    with open_scratch(tmp_path / "root", WORKER) as folder:
        assert (mode(folder), mode(tmp_path / "root")) == (0o700, 0o700)
        assert mode(folder.with_suffix(".lock")) & 0o077 == 0


async def test_logs_are_private(umask: int, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    environment: dict[str, Any] = {"PATH": os.environ["PATH"]}
    assert await run(Command(arguments=["/bin/echo", "secret"], environment=environment, log=log), 30) == 0
    cut_logs(log.parent, bytes_max=1)
    assert modes(tmp_path) == {"logs": 0o700, "logs/child.log": 0o600, "logs/child.log.1": 0o600}


def test_the_folder_of_a_system_lets_through_and_shows_nothing(umask: int, tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "data")
    with folder.locked():
        folder.jwt_secret()
        assert mode(folder.path) == 0o711
        found = modes(folder.path)
    assert {name: found[name] for name in ("kafka", "objects", "logs")} == dict.fromkeys(
        ("kafka", "objects", "logs"), 0o700
    )
    assert (found["jwt-secret"], found["lock"]) == (0o600, 0o600)
