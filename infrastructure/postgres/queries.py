"""Named SQL from `.sql` files: each query starts with a line `-- name: what_it_does`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_HEADER: Final = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_queries(path: Path) -> Mapping[str, str]:
    """Queries by name. Raises ValueError when a name stands twice."""
    _, *parts = _HEADER.split(path.read_text(encoding="utf-8"))
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path} names a query twice")
    return dict(zip(names, (body.strip() for body in bodies), strict=True))
