"""The models one may choose from: what is known of each, which are here, and which one is in use."""

import os
from collections.abc import Sequence

from msgspec import Struct

from embedded.hub.fetching import Place
from embedded.hub.problems import ModelNotFetched
from inference_worker.catalogue import KNOWN, full_name, name_of_folder, published
from inference_worker.faults import ModelMissing
from inference_worker.models import (
    chosen_file,
    default_model,
    fetched_folder,
    knows_only_english,
    missing_files,
    models_folder,
    packaged_models,
)
from infrastructure.private_files import provide_private


class Shelved(Struct, frozen=True, kw_only=True):
    name: str
    megabytes: int | None
    english_only: bool | None
    state: str
    """packaged, fetched, partly (a fetch was broken off) or empty: not here."""
    in_use: bool


def shelved() -> Sequence[Shelved]:
    """The known ones, then those that were fetched by an address or lie there by another name."""
    used = full_name(in_use())
    names = list(dict.fromkeys([*packaged_models(), *KNOWN, *_others()]))
    return [_shelved(name, used) for name in names]


def in_use() -> str:
    """The name or folder that the next start takes; empty when there is none."""
    try:
        return os.environ.get("STENOLOG_MODEL") or default_model()
    except ModelMissing:
        return ""


def _others() -> Sequence[str]:
    if not models_folder().is_dir():
        return []
    folders = [each.name for each in models_folder().iterdir() if each.is_dir() and each.name[0] != "."]
    return sorted(name_of_folder(folder) for folder in folders)


def _shelved(name: str, used: str) -> Shelved:
    known = published(name)
    return Shelved(
        name=name,
        megabytes=_megabytes(name) or (None if known is None else known.megabytes),
        english_only=_english_only(name),
        state=state_of(name),
        in_use=name == used,
    )


def state_of(name: str) -> str:
    if packaged_models().get(name):
        return "packaged"
    folder = fetched_folder(name)
    if folder is not None and folder.is_dir() and not missing_files(folder):
        return "fetched"
    return "partly" if Place(name).all_unfinished() else ""


def _megabytes(name: str) -> int | None:
    folder = fetched_folder(name)
    if folder is None or not folder.is_dir():
        return None
    return round(sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) / 1e6)


def _english_only(name: str) -> bool | None:
    known = published(name)
    if known is not None and known.english_only is not None:
        return known.english_only
    folder = fetched_folder(name)
    return knows_only_english(folder) if folder is not None and folder.is_dir() else None


def choose(name: str) -> None:
    """Makes a model the one that is taken where STENOLOG_MODEL names none. Raises ModelNotFetched."""
    name = full_name(name)
    if state_of(name) not in ("packaged", "fetched"):
        remedy = (
            f"fetch it with `stenolog model get {name}`" if published(name) else "see `stenolog model list`"
        )
        raise ModelNotFetched(f"the model {name} is not here: {remedy}")
    draft = chosen_file().with_name(f".model.{os.getpid()}")
    try:
        provide_private(draft.parent)
        draft.write_text(f"{name}\n", encoding="utf-8")
        draft.replace(chosen_file())
    except OSError as problem:
        raise ModelNotFetched(f"{chosen_file()}: {problem.strerror}") from problem
