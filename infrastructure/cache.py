"""The folder of what is fetched or put together once and shared by all checkouts."""

import os
from collections.abc import Mapping
from pathlib import Path

from infrastructure.settings import InvalidSetting


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """STENOLOG_CACHE, or `stenolog` in the user's cache folder. Raises InvalidSetting for an account without a home."""
    own = environment.get("STENOLOG_CACHE")
    folder = Path(own) if own else Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "stenolog"
    try:
        return folder.expanduser()
    except RuntimeError as problem:
        raise InvalidSetting("STENOLOG_CACHE: name a folder; this account has no home") from problem
