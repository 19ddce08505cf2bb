"""The OpenAPI document is what is committed, and its page needs no other server."""

import re
from pathlib import Path

import msgspec

from api.openapi_document import PATH, document
from tests.api.rig import Installation


def test_the_committed_document_is_what_the_routes_say() -> None:
    assert PATH.read_bytes() == document(), "run `python -m api.openapi_document`"


def test_every_route_but_the_open_ones_needs_a_token() -> None:
    paths = msgspec.json.decode(document())["paths"]
    open_paths = {
        path for path, methods in paths.items() if any("security" not in each for each in methods.values())
    }
    assert open_paths == {
        "/v1/auth/register",
        "/v1/auth/login",
        "/v1/health/live",
        "/v1/health/ready",
        "/v1/health/system",
    }


async def test_the_document_is_served(installation: Installation) -> None:
    answer = await installation.client().get("http://stenolog/schema/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["paths"].keys() == msgspec.json.decode(document())["paths"].keys()


async def test_the_page_loads_everything_from_here(installation: Installation) -> None:
    client = installation.client()
    page = await client.get("http://stenolog/schema")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(wanted) == 4
    for path in wanted:
        assert path.startswith("/schema/assets/")
        answer = await client.get(f"http://stenolog{path}")
        assert (answer.status_code, bool(answer.content)) == (200, True)


async def test_no_other_file_is_served(installation: Installation) -> None:
    for name in ("index.html", "..%2f__init__.py", "swagger-ui.js.map"):
        answer = await installation.client().get(f"http://stenolog/schema/assets/{name}")
        assert answer.status_code == 404


def test_the_document_lies_with_the_other_generated_ones() -> None:
    assert Path(__file__).parents[2] / "schemas" / "generated" / "openapi.json" == PATH


def test_the_upload_says_what_to_send() -> None:
    upload = msgspec.json.decode(document())["paths"]["/v1/files/upload"]["post"]
    assert upload["requestBody"]["content"]["multipart/form-data"]["schema"]["required"] == ["file"]
