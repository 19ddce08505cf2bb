"""Which object keys there can be: the same for every store, so that data can move between them."""

import re
from typing import Final

KEY_CHARACTERS_MAX: Final = 512
# No part may begin with a dot: that keeps "..", and a store's own folders, out of reach.
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")


def require_valid_key(key: str) -> str:
    """The key itself. Raises ValueError for a key that could lead out of the store."""
    if len(key) > KEY_CHARACTERS_MAX or not _KEY.fullmatch(key):
        raise ValueError(f"{key[:80]!r} is no object key")
    return key
