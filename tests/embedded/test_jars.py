"""Jars are verified before use, fetched when missing or spoiled, and never half there."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded.jars import (
    Jar,
    JarsUnreachable,
    WrongJar,
    missing_jars,
    pinned_jars,
    provide_jars,
)
from infrastructure.cache import cache_folder

CONTENTS = {name: f"the content of {name}".encode() for name in ("one", "two", "three")}
JARS = [
    Jar("org.example", name, "1.0", hashlib.sha256(content).hexdigest())
    for name, content in CONTENTS.items()
]


class Repository:
    """Serves the jars, or what `contents` says instead, and remembers who asked for what."""

    def __init__(self, contents: dict[str, bytes] = CONTENTS) -> None:
        self.contents = contents
        self.asked: list[str] = []

    def fetch(self, jar: Jar, folder: Path) -> Path:
        self.asked.append(jar.artifact)
        file = folder / "downloaded"
        file.write_bytes(self.contents[jar.artifact])
        return file


def unreachable(jar: Jar, folder: Path) -> Path:
    raise ConnectionError(f"{jar.artifact} into {folder}")


def silent(_done: int, _total: int) -> None:
    """Reports to nobody."""


def test_missing_jars_are_fetched_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    provide_jars(
        tmp_path / "jars", JARS, Repository().fetch, lambda done, total: told.append((done, total))
    )
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert missing_jars(tmp_path / "jars", JARS) == []
    assert {file.name for file in (tmp_path / "jars").iterdir()} == {jar.file_name for jar in JARS}


def test_jars_that_are_there_are_not_fetched_again(tmp_path: Path) -> None:
    provide_jars(tmp_path, JARS, Repository().fetch, silent)
    provide_jars(tmp_path, JARS, unreachable, silent)


def test_a_spoiled_jar_is_fetched_again(tmp_path: Path) -> None:
    provide_jars(tmp_path, JARS, Repository().fetch, silent)
    (tmp_path / JARS[1].file_name).write_bytes(b"spoiled")
    repository = Repository()
    provide_jars(tmp_path, JARS, repository.fetch, silent)
    assert repository.asked == ["two"]
    assert (tmp_path / JARS[1].file_name).read_bytes() == CONTENTS["two"]


def test_an_interrupted_fetch_resumes_where_it_was(tmp_path: Path) -> None:
    def first_only(jar: Jar, folder: Path) -> Path:
        return Repository().fetch(jar, folder) if jar.artifact == "one" else unreachable(jar, folder)

    with pytest.raises(JarsUnreachable):
        provide_jars(tmp_path, JARS, first_only, silent)
    repository = Repository()
    provide_jars(tmp_path, JARS, repository.fetch, silent)
    assert "two" in repository.asked
    assert missing_jars(tmp_path, JARS) == []


def test_a_jar_that_is_not_the_pinned_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(WrongJar, match=r"two-1\.0\.jar came with SHA-256"):
        provide_jars(tmp_path, JARS, Repository({**CONTENTS, "two": b"evil"}).fetch, silent)
    assert not (tmp_path / JARS[1].file_name).exists()


def test_unreachable_jars_are_named_and_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(JarsUnreachable, match=r"\.jar: ConnectionError"):
        provide_jars(tmp_path, JARS, unreachable, silent)
    assert list(tmp_path.iterdir()) == []


def test_every_pinned_jar_has_a_name_of_its_own_and_a_whole_hash() -> None:
    jars = pinned_jars()
    assert len({jar.file_name for jar in jars}) == len(jars) == 45
    assert all(len(jar.sha256) == 64 for jar in jars)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"STENOLOG_CACHE": "/var/jars", "XDG_CACHE_HOME": "/elsewhere"}, lambda: Path("/var/jars")),
        ({"XDG_CACHE_HOME": "/elsewhere"}, lambda: Path("/elsewhere/stenolog")),
        ({}, lambda: Path.home() / ".cache" / "stenolog"),
    ],
)
def test_the_cache_is_shared_by_all_checkouts(
    environment: dict[str, str], folder: Callable[[], Path]
) -> None:
    assert cache_folder(environment) == folder()
