"""One folder, one running system; its secret is its own."""

import stat
from pathlib import Path

import pytest

from embedded.stack_folder import Addresses, FolderInUse, NotRunning, StackFolder

ADDRESSES = Addresses(
    api_url="http://127.0.0.1:1",
    database_url="postgresql://u:p@127.0.0.1:2/d",
    kafka_bootstrap="127.0.0.1:3",
    object_store="file:///objects",
)


def test_a_folder_that_is_in_use_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with (
        StackFolder(tmp_path).locked(),
        pytest.raises(FolderInUse, match="stop it, or choose another folder with --data"),
        StackFolder(tmp_path).locked(),
    ):
        raise AssertionError("the second was let in")


def test_a_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    with StackFolder(tmp_path).locked():
        pass
    with StackFolder(tmp_path).locked():
        assert tmp_path.exists()


def test_the_secret_stays_the_same_and_is_readable_for_its_owner_alone(tmp_path: Path) -> None:
    secret = StackFolder(tmp_path).jwt_secret()
    assert StackFolder(tmp_path).jwt_secret() == secret
    assert len(secret) >= 32
    assert stat.S_IMODE((tmp_path / "jwt-secret").stat().st_mode) == 0o600


def test_what_lies_in_the_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "data")
    with folder.locked():
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder.kafka, folder.objects, folder.logs)}
    assert modes == {0o700}


def test_two_folders_have_two_secrets(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert StackFolder(tmp_path / "a").jwt_secret() != StackFolder(tmp_path / "b").jwt_secret()


def test_addresses_are_there_as_long_as_the_system_runs(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    with folder.announced(ADDRESSES):
        assert folder.addresses() == ADDRESSES
        assert stat.S_IMODE((tmp_path / "addresses.json").stat().st_mode) == 0o600
    with pytest.raises(NotRunning):
        folder.addresses()


def test_addresses_that_a_killed_predecessor_left_are_not_believed(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    with folder.announced(ADDRESSES):
        left = (tmp_path / "addresses.json").read_bytes()
    (tmp_path / "addresses.json").write_bytes(left)
    with folder.locked(), pytest.raises(NotRunning):
        folder.addresses()
