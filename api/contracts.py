"""The schemas of events and messages, where their names say that they are, and the AsyncAPI document."""

from collections.abc import Mapping
from functools import cache
from typing import Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from api.openapi import PATH
from domain.errors import NotFound
from schemas import asyncapi
from schemas.json_schemas import ROOT, documents, message_path

SCHEMA_TYPE: Final = "application/schema+json"
ASYNCAPI_TYPE: Final = "application/vnd.aai.asyncapi+json;version=3.0.0"
_HEADERS: Final = {"Cache-Control": "public, max-age=3600"}
_SHOWN_MAX: Final = 80


@get(ROOT, include_in_schema=False, sync_to_thread=False)
def list_schemas() -> Response[bytes]:
    """The paths of all."""
    return Response(
        msgspec.json.encode(sorted(_schemas())), media_type="application/json", headers=_HEADERS
    )


@get(f"{ROOT}/{{name:str}}/{{version:str}}", include_in_schema=False, sync_to_thread=False)
def get_schema(name: FromPath[str], version: FromPath[str]) -> Response[bytes]:
    path = f"{ROOT}/{name}/{version}"
    if path not in _schemas():
        raise NotFound(f"No schema {path[:_SHOWN_MAX]!r}: {ROOT} lists what there is")
    return Response(_schemas()[path], media_type=SCHEMA_TYPE, headers=_HEADERS)


@get(f"{PATH}/asyncapi.json", include_in_schema=False, sync_to_thread=False)
def get_asyncapi() -> Response[bytes]:
    return Response(_asyncapi(), media_type=ASYNCAPI_TYPE, headers=_HEADERS)


@cache
def _schemas() -> Mapping[str, bytes]:
    """Made at the first request and not at each start."""
    return {path: msgspec.json.encode(schema) for path, schema in documents().items()}


@cache
def _asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi.document())


assert message_path("").startswith(f"{ROOT}/"), "one route serves both"
