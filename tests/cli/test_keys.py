"""API keys on the command line: made, listed, revoked, and used in the place of a login."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner, Result

from cli.login import Login
from cli.main import main
from domain.key_texts import SECRET_BYTES, key_text
from tests.cli.scripted_api import ScriptedApi, problem

KEY_ID = UUID(int=4)
KEY = key_text(bytes(SECRET_BYTES), UUID(int=3))
LISTED: dict[str, Any] = {
    "id": str(KEY_ID),
    "name": "Bazarr\x1b[31m",
    "prefix": KEY[:12],
    "scopes": ["read", "write"],
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": None,
    "last_used_at": "2026-01-02T12:00:00Z",
}


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi().serving() as api:
        api.answers["POST /v1/api-keys"] = [(201, LISTED | {"key": KEY})]
        api.answers["GET /v1/api-keys"] = [(200, [LISTED])]
        api.answers[f"DELETE /v1/api-keys/{KEY_ID}"] = [(204, b"")]
        yield api


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config"


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def stenolog(config: Path, api: ScriptedApi, *arguments: str, **environment: str) -> Result:
    surroundings = {"XDG_CONFIG_HOME": str(config), "STENOLOG_URL": api.url, **environment}
    return CliRunner().invoke(main, arguments, env=surroundings)


def test_a_key_is_made_and_printed_alone_so_that_a_script_can_take_it(
    api: ScriptedApi, config: Path
) -> None:
    arguments = ("keys", "create", "Bazarr", "--scope", "read", "--scope", "write", "--days", "90")
    result = stenolog(config, api, *arguments, STENOLOG_TOKEN="mine")
    assert (result.exit_code, result.stdout) == (0, f"{KEY}\n")
    assert "not shown again" in result.stderr
    sent = msgspec.json.decode(api.bodies["POST /v1/api-keys"])
    assert (sent["name"], sent["scopes"]) == ("Bazarr", ["read", "write"])
    assert sent["expires_at"].endswith("Z")


@pytest.mark.parametrize("name", [" ", "x" * 101, "caf\udce9"])
def test_a_name_that_no_key_can_have_is_not_asked_for(api: ScriptedApi, config: Path, name: str) -> None:
    """The last is what a shell of another character set hands over."""
    result = stenolog(config, api, "keys", "create", name, "--scope", "read", STENOLOG_TOKEN="mine")
    assert (result.exit_code, api.asked) == (2, [])
    assert "Invalid value for 'NAME': name " in result.stderr


def test_a_key_without_a_scope_is_not_asked_for(api: ScriptedApi, config: Path) -> None:
    result = stenolog(config, api, "keys", "create", "Bazarr", STENOLOG_TOKEN="mine")
    assert result.exit_code == 2
    assert api.asked == []


def test_keys_are_listed_on_a_line_each_that_does_nothing_to_a_terminal(
    api: ScriptedApi, config: Path
) -> None:
    result = stenolog(config, api, "keys", "list", STENOLOG_TOKEN="mine")
    assert result.exit_code == 0
    [line] = result.stdout.splitlines()
    assert line.startswith(f"{KEY_ID}  {KEY[:12]}…  read,write  -")
    assert line.endswith(r"Bazarr\x1b[31m")
    as_json = stenolog(config, api, "keys", "list", "--json", STENOLOG_TOKEN="mine")
    assert msgspec.json.decode(as_json.stdout) == LISTED


def test_a_key_that_expires_on_the_last_day_there_is_is_listed_anywhere(
    api: ScriptedApi, config: Path, in_tokyo: None
) -> None:
    last = LISTED | {"expires_at": "9999-12-31T23:59:59Z"}
    api.answers["GET /v1/api-keys"] = [(200, [last])]
    result = stenolog(config, api, "keys", "list", STENOLOG_TOKEN="mine")
    assert (result.exit_code, "  9999-12-31 23:59  2026-01-02 21:00  " in result.stdout) == (0, True)


def test_a_key_is_revoked_by_its_id(api: ScriptedApi, config: Path) -> None:
    result = stenolog(config, api, "keys", "revoke", str(KEY_ID), STENOLOG_TOKEN="mine")
    assert (result.exit_code, result.stderr) == (0, f"key {KEY_ID} is revoked\n")
    api.answers[f"DELETE /v1/api-keys/{KEY_ID}"] = [problem(404, "No API key")]
    again = stenolog(config, api, "keys", "revoke", str(KEY_ID), STENOLOG_TOKEN="mine")
    assert (again.exit_code, again.stderr) == (1, "stenolog: No API key\n")


def test_a_key_of_the_environment_takes_no_login(api: ScriptedApi, config: Path) -> None:
    assert stenolog(config, api, "quota", STENOLOG_API_KEY=KEY, STENOLOG_TOKEN="mine").exit_code == 0
    assert api.tokens == [f"Bearer {KEY}"]


def test_a_line_that_ends_as_windows_ends_it_has_the_key_all_the_same(
    api: ScriptedApi, config: Path
) -> None:
    assert stenolog(config, api, "quota", STENOLOG_API_KEY=f"{KEY}\r").exit_code == 0
    assert stenolog(config, api, "quota", STENOLOG_TOKEN="mine\r\n").exit_code == 0
    assert api.tokens == [f"Bearer {KEY}", "Bearer mine"]


def test_a_login_with_a_key_is_kept(api: ScriptedApi, config: Path) -> None:
    result = stenolog(config, api, "login", "--api-key", "--url", api.url, STENOLOG_API_KEY=KEY)
    assert result.exit_code == 0, result.stderr
    assert KEY not in result.output
    kept = msgspec.json.decode((config / "stenolog" / "login.json").read_bytes(), type=Login)
    assert kept == Login(url=api.url, email="", token=KEY)
    assert stenolog(config, api, "quota").exit_code == 0
    assert api.tokens == [f"Bearer {KEY}"] * 2


def test_a_key_that_may_write_alone_is_kept_and_one_that_is_revoked_is_not(
    api: ScriptedApi, config: Path
) -> None:
    login = ("login", "--api-key", "--url", api.url)
    api.answers["GET /v1/user/quota"] = [problem(401, "The API key was revoked")]
    refused = stenolog(config, api, *login, STENOLOG_API_KEY=KEY)
    assert (refused.exit_code, config.exists()) == (1, False)
    api.answers["GET /v1/user/quota"] = [problem(403, "may not read", code="insufficient_scope")]
    assert stenolog(config, api, *login, STENOLOG_API_KEY=KEY).exit_code == 0


@pytest.mark.parametrize("command", [["quota"], ["login", "--api-key"]])
def test_a_mistyped_key_is_sent_nowhere_and_shown_nowhere(
    api: ScriptedApi, config: Path, command: list[str]
) -> None:
    result = stenolog(config, api, *command, STENOLOG_API_KEY=KEY[:-1])
    assert result.exit_code == 1
    assert "that is no API key, or not all of one" in result.stderr
    assert KEY[:-1] not in result.output
    assert api.asked == []
