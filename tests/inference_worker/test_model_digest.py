"""A model's weights are hashed once, and again when they change."""

import hashlib
from pathlib import Path

import pytest

from inference_worker.__main__ import known_digest
from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from inference_worker.model_digest import weights_digest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    return folder


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "digests"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_weights_are_hashed_once(model: Path, notes: Path) -> None:
    assert weights_digest(model, notes) == sha256(b"weights")
    (note,) = notes.iterdir()
    note.write_text("ab" * 32)
    assert weights_digest(model, notes) == "ab" * 32


def test_weights_that_change_are_hashed_again(model: Path, notes: Path) -> None:
    weights_digest(model, notes)
    (model / "model.bin").write_bytes(b"WEIGHTS")
    assert weights_digest(model, notes) == sha256(b"WEIGHTS")


def test_a_file_put_in_the_place_of_the_weights_is_hashed(model: Path, notes: Path) -> None:
    weights_digest(model, notes)
    (model / "other").write_bytes(b"Weights")
    (model / "other").replace(model / "model.bin")
    assert weights_digest(model, notes) == sha256(b"Weights")


@pytest.mark.parametrize("spoiled", ["", "abc", "z" * 64, "ab" * 31, "\xff"])
def test_a_spoiled_note_is_not_believed(model: Path, notes: Path, spoiled: str) -> None:
    weights_digest(model, notes)
    (note,) = notes.iterdir()
    note.write_text(spoiled, encoding="latin-1")
    assert weights_digest(model, notes) == sha256(b"weights")


def test_where_nothing_can_be_kept_the_weights_are_hashed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    assert weights_digest(model, tmp_path / "a file") == weights_digest(model, None) == sha256(b"weights")


async def test_an_engine_is_named_by_the_hash_it_was_told_and_reads_no_weights_for_it() -> None:
    engine = EngineProcess(EngineChoice(kind="faster-whisper", model="tiny.en", digest="ab" * 32))
    await engine.make_ready()
    await engine.stop()
    assert "@abababababab/" in engine.name


async def test_an_engine_that_finds_other_weights_at_its_next_start_is_named_by_them() -> None:
    weights = iter(["ab" * 32, "cd" * 32])
    choice = EngineChoice(kind="faster-whisper", model="tiny.en")
    engine = EngineProcess(choice, tasks_max=0, digest_of=lambda _: next(weights))
    await engine.make_ready()
    assert "@abababababab/" in engine.name
    await engine.make_ready()
    await engine.stop()
    assert "@cdcdcdcdcdcd/" in engine.name


def test_a_worker_remembers_the_hash_in_the_cache_folder(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENOLOG_CACHE", str(tmp_path / "cache"))
    assert known_digest(str(model)) == sha256(b"weights")
    (note,) = (tmp_path / "cache" / "digests").iterdir()
    assert note.read_text() == sha256(b"weights")


def test_a_worker_knows_no_hash_of_a_model_that_is_missing(tmp_path: Path) -> None:
    assert known_digest(str(tmp_path)) == ""
    assert known_digest("") == ""
