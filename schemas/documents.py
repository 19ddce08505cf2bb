"""Writes what others read into the repository: `python -m schemas.documents`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas import asyncapi, json_schemas

FOLDER: Final = Path(__file__).parent / "generated"
ASYNCAPI: Final = "asyncapi.json"


def files() -> Mapping[str, bytes]:
    """Each document by the path of its file in FOLDER, indented, so that a change of it can be read."""
    schemas = {f"{path.lstrip('/')}.json": schema for path, schema in json_schemas.documents().items()}
    return {name: readable(content) for name, content in {ASYNCAPI: asyncapi.document(), **schemas}.items()}


def readable(content: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


if __name__ == "__main__":
    for name, content in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
