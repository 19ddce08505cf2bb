"""What consumers of Kafka need to know is served where they look for it."""

import msgspec
import pytest

from schemas import asyncapi
from schemas.json_schemas import documents
from tests.api.rig import Installation


@pytest.mark.parametrize("path", documents())
async def test_a_schema_is_served_where_its_name_says(installation: Installation, path: str) -> None:
    answer = await installation.client().get(f"http://stenolog{path}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/schema+json")
    assert answer.json() == msgspec.json.decode(msgspec.json.encode(documents()[path]))


async def test_all_schemas_are_listed(installation: Installation) -> None:
    answer = await installation.client().get("http://stenolog/schemas")
    assert answer.json() == sorted(documents())


@pytest.mark.parametrize("path", ["UserRegistered/9", "Nobody/1", "messages/nothing", f"{'x' * 500}/1"])
async def test_a_schema_that_is_not_there_is_not_found_and_says_where_to_look(
    installation: Installation, path: str
) -> None:
    answer = await installation.client().get(f"http://stenolog/schemas/{path}")
    assert answer.status_code == 404
    assert "/schemas lists" in answer.json()["detail"]
    assert len(answer.content) < 1_000


async def test_the_asyncapi_document_is_served(installation: Installation) -> None:
    answer = await installation.client().get("http://stenolog/schema/asyncapi.json")
    assert answer.status_code == 200
    assert answer.json() == msgspec.json.decode(msgspec.json.encode(asyncapi.document()))
