"""Web pages of other origins: those that a setting lists may use the API, and no others."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from api.cross_origin import origins_of
from infrastructure.settings import InvalidSetting, Settings, read_settings
from tests.api.rig import Installation, in_one_task, installed

OURS = "https://app.example.com"
ALSO = "http://localhost:5173"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(settings: Settings) -> AsyncIterator[Installation]:
    """With two origins."""
    with tempfile.TemporaryDirectory() as spool:
        async with in_one_task(
            installed(replace(settings, cors_origins=f"{OURS}, {ALSO}"), Path(spool))
        ) as running:
            yield running


def permissions_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("origin", [OURS, ALSO])
async def test_a_preflight_is_told_what_may_be_sent(shared: Installation, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = await shared.client().options("/transcriptions/x/text", headers=asked)
    permissions = permissions_of(answer)
    assert (answer.status_code, answer.content) == (204, b"")
    assert permissions["access-control-allow-origin"] == origin
    assert "PUT" in permissions["access-control-allow-methods"].split(", ")
    assert {"Authorization", "Content-Type", "Consistency-Token", "Prefer"} <= set(
        permissions["access-control-allow-headers"].split(", ")
    )
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/health/live", "/files", "/nothing", "/auth/login"])
async def test_answers_and_refusals_can_be_read_by_a_listed_page(shared: Installation, path: str) -> None:
    permissions = permissions_of(await shared.client().get(path, headers={"Origin": OURS}))
    assert permissions["access-control-allow-origin"] == OURS
    exposed = permissions["access-control-expose-headers"].split(", ")
    assert {"Consistency-Token", "Location", "Link", "Retry-After"} <= set(exposed)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.com", "null", f"{OURS}.evil.com", f"{OURS}:8443", OURS.upper(), "", "*"],
)
async def test_another_page_gets_no_permission(shared: Installation, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for answer in (
        await shared.client().options("/files", headers=headers),
        await shared.client().get("/health/live", headers=headers),
    ):
        assert answer.is_success
        assert permissions_of(answer) == {}


async def test_a_cache_is_told_that_answers_differ_by_origin(shared: Installation) -> None:
    assert (await shared.client().get("/health/live")).headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "setting", ["*", "app.example.com", "https://app.example.com/", "ftp://a.b", "https://a b"]
)
def test_what_is_no_list_of_origins_is_refused(setting: str) -> None:
    with pytest.raises(InvalidSetting, match="STENOLOG_CORS_ORIGINS"):
        read_settings({"STENOLOG_CORS_ORIGINS": setting})


@pytest.mark.parametrize("setting", [f"{OURS},{ALSO}", f" {OURS}  {ALSO} ", f"{OURS}, {ALSO},"])
def test_a_list_may_have_commas_or_spaces(setting: str) -> None:
    assert origins_of(read_settings({"STENOLOG_CORS_ORIGINS": setting}).cors_origins) == {OURS, ALSO}


async def test_a_page_may_send_what_openais_package_for_javascript_sends(shared: Installation) -> None:
    sent = ["authorization", "openai-organization", "openai-project"] + [
        f"x-stainless-{name}"
        for name in (
            "arch",
            "lang",
            "os",
            "package-version",
            "retry-count",
            "runtime",
            "runtime-version",
            "timeout",
        )
    ]
    asked = {
        "Origin": OURS,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(sent),
    }
    permissions = permissions_of(await shared.client().options("/audio/transcriptions", headers=asked))
    allowed = permissions["access-control-allow-headers"].lower().split(", ")
    assert set(sent) <= set(allowed)
