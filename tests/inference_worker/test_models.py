"""Which model an engine opens, and how the packaged base is put together."""

import asyncio
import errno
import hashlib
import os
import sys
from pathlib import Path

import pytest

from inference_worker import joined_model
from inference_worker.faults import ModelMissing
from inference_worker.models import chosen_file, find_model, knows_only_english, name_of

JOIN = "from inference_worker.models import find_model; print(find_model('base'))"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STENOLOG_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two packages of a few bytes, pinned as a model of theirs; returns the halves of its weights."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    names = ("half_one", "half_two")
    for number, name in enumerate(names, 1):
        data = tmp_path / "site" / name / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        (data / f"model.bin.part{number}").write_bytes(b"half %d" % number)
    for copied in joined_model.COPIED:
        (tmp_path / "site" / "half_one" / "data" / copied).write_text(copied)
    monkeypatch.setattr(joined_model, "PARTS", names)
    monkeypatch.setattr(joined_model, "WEIGHTS_BYTES", 12)
    monkeypatch.setattr(joined_model, "WEIGHTS_SHA256", hashlib.sha256(b"half 1half 2").hexdigest())
    return [tmp_path / "site" / name / "data" / f"model.bin.part{n}" for n, name in enumerate(names, 1)]


def test_the_packaged_base_is_whole_and_has_its_licence(cache: Path) -> None:
    folder = find_model("")
    assert folder.is_relative_to(cache)
    assert name_of(folder) == "base"
    with (folder / "model.bin").open("rb") as weights:
        assert hashlib.file_digest(weights, "sha256").hexdigest() == joined_model.WEIGHTS_SHA256
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert not knows_only_english(folder)
    assert knows_only_english(find_model("tiny.en"))


@pytest.mark.usefixtures("cache")
def test_a_model_is_joined_once(parts: list[Path]) -> None:
    folder = joined_model.provide()
    assert (folder / "model.bin").read_bytes() == b"half 1half 2"
    parts[0].unlink()
    assert joined_model.provide() == folder


@pytest.mark.usefixtures("cache")
def test_what_is_not_what_was_pinned_is_not_kept(parts: list[Path]) -> None:
    parts[1].write_bytes(b"half 3")
    with pytest.raises(ModelMissing, match=r"pinned is .*: install them again"):
        joined_model.provide()
    parts[1].write_bytes(b"half 2")
    assert joined_model.provide().is_dir()


def test_what_was_broken_off_is_cleared_and_joined_anew(cache: Path, parts: list[Path]) -> None:
    folder = joined_model.provide()
    (folder / "model.bin").write_bytes(b"half")
    left = folder.parent / f".{joined_model.NAME}-killed"
    left.mkdir()
    assert (joined_model.provide() / "model.bin").read_bytes() == b"half 1half 2"
    assert not left.exists()
    assert sorted(each.name for each in folder.parent.iterdir()) == [".base.lock", "base"]


@pytest.mark.usefixtures("cache", "parts")
def test_a_full_disk_is_called_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(joined_model, "_join", fail)
    with pytest.raises(ModelMissing, match=r"^STENOLOG_CACHE: .*: the disk is full$"):
        joined_model.provide()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STENOLOG_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        ModelMissing, match=r"STENOLOG_CACHE: the model needs 138 MiB in .*: Not a directory"
    ):
        find_model("base")


async def test_any_number_may_start_at_once(cache: Path) -> None:
    async def join() -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", JOIN, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(100):
            said, _ = await process.communicate()
        return said.decode().strip()

    assert len(set(await asyncio.gather(*(join() for _ in range(3))))) == 1


def test_what_was_chosen_is_taken_unless_a_model_is_named(cache: Path) -> None:
    chosen_file().write_text("tiny.en\n", encoding="utf-8")
    assert name_of(find_model("")) == "tiny.en"
    assert name_of(find_model("base")) == "base"


@pytest.mark.usefixtures("cache")
def test_a_name_that_is_no_model_is_named_in_the_error() -> None:
    with pytest.raises(ModelMissing, match=r"STENOLOG_MODEL: huge has no config.json, model.bin"):
        find_model("huge")
