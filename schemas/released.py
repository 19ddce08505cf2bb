"""The schemas that were released: `schemas/released/` holds every version of each that is out there, and none of them changes.

`python -m schemas.released` says what today's schemas would break, and `python -m schemas.released --add` adds those that are new, at a release.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from schemas.compatibility import breaks
from schemas.documents import readable
from schemas.json_schemas import JsonSchema, documents

FOLDER: Final = Path(__file__).parent / "released"


def released() -> Mapping[str, JsonSchema]:
    """By their path."""
    read = [
        msgspec.json.decode(path.read_bytes(), type=JsonSchema) for path in sorted(FOLDER.rglob("*.json"))
    ]
    return {schema["$id"]: schema for schema in read}


def add() -> None:
    """Optional fields that came since are released with it, too."""
    for path, schema in documents().items():
        file = FOLDER / f"{path.lstrip('/')}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(readable(schema))


def main(arguments: list[str]) -> int:
    broken = breaks(released(), documents())
    for line in broken:
        sys.stderr.write(f"{line}\n")
    if not broken and arguments == ["--add"]:
        add()
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
