"""Writes the OpenAPI document into the repository: `python -m api.openapi_document`."""

from pathlib import Path
from typing import Final

import msgspec

import schemas
from api.app import create_app
from api.tokens import SECRET_CHARACTERS_MIN
from infrastructure.settings import Settings

PATH: Final = Path(schemas.__file__).parent / "generated" / "openapi.json"


def document() -> bytes:
    """Indented, so that a change of it can be read."""
    app = create_app(Settings(jwt_secret="x" * SECRET_CHARACTERS_MIN))
    return msgspec.json.format(msgspec.json.encode(app.openapi_schema.to_schema()), indent=2) + b"\n"


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_bytes(document())
