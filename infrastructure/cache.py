"""The folder of what is fetched or put together once and shared by all checkouts."""

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """STENOLOG_CACHE, or `stenolog` in the user's cache folder."""
    if own := environment.get("STENOLOG_CACHE"):
        return Path(own).expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "stenolog"
