"""The OpenAPI document is what is committed, and its page needs no other server."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from api.exports import FORMATS
from api.openapi_document import PATH, document
from api.openapi_terms import ASKED_OF_ROUTE, LIMITS, OF_ROUTE, OF_STATUS
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


def operations() -> Iterator[tuple[str, Any]]:
    for path, methods in msgspec.json.decode(document())["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_says_what_it_does_what_it_takes_and_what_it_answers() -> None:
    named = set()
    for name, operation in operations():
        assert operation["description"], name
        assert operation["tags"], name
        assert operation["operationId"] not in named, name
        named.add(operation["operationId"])
        for parameter in operation.get("parameters", ()):
            assert "$ref" in parameter or parameter["in"] == "path" or parameter["description"], name
        for status, response in operation["responses"].items():
            assert "X-Request-Id" in response["headers"], (name, status)
            is_other = "/health/" in name or "openai" in operation["tags"]
            kind = "application/json" if is_other else "application/problem+json"
            assert status < "400" or list(response["content"]) == [kind], (name, status)


def test_who_is_told_to_come_back_or_to_log_in_is_told_how() -> None:
    found = set()
    for name, operation in operations():
        for status, response in operation["responses"].items():
            for header in () if "/health/" in name else OF_STATUS.get(status, ()):
                assert header in response["headers"], (name, status)
                found.add(status)
    assert found >= {"401", "403", "416", "429", "503"}


def test_every_request_with_a_body_may_be_too_long_and_every_one_for_somebodys_may_be_refused() -> None:
    for name, operation in operations():
        statuses = operation["responses"].keys()
        assert "requestBody" not in operation or statuses >= {"400", "408", "413"}, name
        assert "security" not in operation or statuses >= {"401", "403", "410", "429", "503"}, name


def test_what_is_said_of_single_routes_is_said_of_routes_there_are() -> None:
    there = {name for name, _ in operations()}
    assert OF_ROUTE.keys() | ASKED_OF_ROUTE.keys() <= there


def test_an_export_may_have_any_media_type_that_it_has() -> None:
    export = dict(operations())["GET /v1/transcriptions/{transcription_id}/export"]
    types = export["responses"]["200"]["content"].keys()
    assert types == {each.media_type.partition(";")[0] for each in FORMATS.values()}
    [asked] = [each for each in export["parameters"] if each.get("name") == "format"]
    assert asked["schema"]["enum"] == list(FORMATS)


def test_what_the_rules_allow_is_in_the_document() -> None:
    schemas = msgspec.json.decode(document())["components"]["schemas"]
    for name, terms in LIMITS.items():
        schema, _, field = name.partition(".")
        assert schemas[schema]["properties"][field].items() >= terms.items(), name


def test_the_upload_says_what_to_send() -> None:
    upload = msgspec.json.decode(document())["paths"]["/v1/files/upload"]["post"]
    assert upload["requestBody"]["content"]["multipart/form-data"]["schema"]["required"] == ["file"]
