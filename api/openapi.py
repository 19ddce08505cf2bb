"""The OpenAPI document, and a page to read and try it on that needs no other server."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import swagger_ui_bundle
from litestar import Request, Response, get
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)
from litestar.params import FromPath

from api.requests import add_header
from domain.errors import NotFound

PATH: Final = "/schema"
BEARER: Final = "bearer"
VERSION: Final = "1.0.0"

_FOLDER: Final = Path(swagger_ui_bundle.swagger_ui_path)
_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_START: Final = "start.js"
# Swagger UI 4 knows OpenAPI 3.0; of what 3.1 added, our document uses nothing that it cannot show.
_START_SCRIPT: Final = """
fetch("/schema/openapi.json").then((answer) => answer.json()).then((document) =>
  SwaggerUIBundle({ spec: { ...document, openapi: "3.0.3" }, dom_id: "#ui", deepLinking: true }));
"""
_PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stenolog API</title>
<link rel="icon" href="/schema/assets/favicon-32x32.png">
<link rel="stylesheet" href="/schema/assets/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="/schema/assets/swagger-ui-bundle.js"></script>
<script src="/schema/assets/start.js"></script>
</body>
</html>
"""
_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
)


class Page(OpenAPIRenderPlugin):
    """Swagger UI with everything it loads served from here."""

    def __init__(self) -> None:
        super().__init__(path="/", favicon="", style="")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002  # the page fetches the document
        add_header(request.scope, "Content-Security-Policy", _POLICY)
        return _PAGE


@get(f"{PATH}/assets/{{name:str}}", include_in_schema=False, sync_to_thread=True)
def get_asset(name: FromPath[str]) -> Response[bytes]:
    headers = {"Cache-Control": "public, max-age=86400"}
    if name == _START:
        script = _START_SCRIPT.encode()
        return Response(script, media_type="text/javascript", headers=headers)
    if name not in _MEDIA_TYPES:
        raise NotFound(f"No file {name[:80]!r}: {PATH} shows what there is")
    return Response((_FOLDER / name).read_bytes(), media_type=_MEDIA_TYPES[name], headers=headers)


@dataclass
class UploadOperation(Operation):
    """The route reads its body itself, so the framework cannot know what is in it."""

    def __post_init__(self) -> None:
        recording = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        form = Schema(type=OpenAPIType.OBJECT, properties={"file": recording}, required=["file"])
        self.request_body = RequestBody(
            content={"multipart/form-data": OpenAPIMediaType(schema=form)}, required=True
        )


@dataclass
class Change(Operation):
    """A route that makes a revision; it reads the header itself, since a list may come in several."""

    def __post_init__(self) -> None:
        says = "ETags of the revisions that may be changed; any without. 412 when the current one is none of them"
        self.parameters = [*(self.parameters or []), _header("If-Match", says)]


@dataclass
class ConditionalRead(Operation):
    """A route that answers 304 to who has it already; it reads the header itself, as above."""

    def __post_init__(self) -> None:
        says = "ETags of what you have: 304 when it is one of them"
        self.parameters = [*(self.parameters or []), _header("If-None-Match", says)]


def _header(name: str, description: str) -> Parameter:
    text = Schema(type=OpenAPIType.STRING)
    return Parameter(name=name, param_in="header", description=description, required=False, schema=text)
