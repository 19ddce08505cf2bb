"""The login that is kept, where it goes and where it does not."""

import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from cli.login import Login
from cli.main import main
from tests.cli.scripted_api import ScriptedApi, problem


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi().serving() as api:
        yield api


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config"


def stenolog(config: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"XDG_CONFIG_HOME": str(config), **environment})


def log_in(config: Path, url: str) -> Result:
    secret = {"STENOLOG_PASSWORD": "correct horse"}
    return stenolog(config, "login", "--url", url, "--email", "anna@example.com", **secret)


def test_a_login_is_kept_for_its_owner_alone_and_without_the_password(
    api: ScriptedApi, config: Path
) -> None:
    assert log_in(config, api.url).exit_code == 0
    (kept,) = (config / "stenolog").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert msgspec.json.decode(kept.read_bytes(), type=Login).token == "secret-token"
    assert b"correct horse" not in kept.read_bytes()


def test_who_is_logged_in_is_asked_for_nothing(api: ScriptedApi, config: Path) -> None:
    log_in(config, api.url)
    result = stenolog(config, "quota")
    assert (result.exit_code, result.stdout) == (0, "7 minutes left\n2 reserved\n51 used\n")
    assert api.tokens[-1] == "Bearer secret-token"


def test_a_token_goes_nowhere_but_to_where_it_came_from(api: ScriptedApi, config: Path) -> None:
    log_in(config, api.url)
    with ScriptedApi().serving() as other:
        result = stenolog(config, "quota", "--url", other.url)
        assert other.tokens == []
    assert result.exit_code == 1
    assert "nobody is logged in" in result.stderr


def test_a_token_of_the_environment_is_used(api: ScriptedApi, config: Path) -> None:
    assert stenolog(config, "quota", "--url", api.url, STENOLOG_TOKEN="mine").exit_code == 0
    assert api.tokens == ["Bearer mine"]


def test_who_is_not_logged_in_is_told_how(config: Path) -> None:
    result = stenolog(config, "quota")
    assert (
        result.exit_code,
        result.stderr.startswith("stenolog: nobody is logged in: `stenolog login`"),
    ) == (1, True)


def test_a_login_that_is_over_says_so(api: ScriptedApi, config: Path) -> None:
    log_in(config, api.url)
    api.answers["GET /v1/user/quota"] = [problem(401, "The token has run out")]
    result = stenolog(config, "quota")
    assert (result.exit_code, result.stderr) == (
        1,
        "stenolog: The token has run out (`stenolog login`)\n",
    )


def test_a_wrong_password_is_refused_in_the_words_of_the_api_and_nothing_is_kept(
    api: ScriptedApi, config: Path
) -> None:
    api.answers["POST /v1/auth/login"] = [problem(401, "Wrong e-mail or password")]
    result = log_in(config, api.url)
    assert (result.exit_code, result.stderr) == (1, "stenolog: Wrong e-mail or password\n")
    assert not config.exists()


def test_a_damaged_login_says_what_to_do(api: ScriptedApi, config: Path) -> None:
    log_in(config, api.url)
    (config / "stenolog" / "login.json").write_bytes(b"{")
    result = stenolog(config, "quota")
    assert result.exit_code == 1
    assert "is no login that this version knows: `stenolog login` makes a new one" in result.stderr


def test_logging_out_forgets_the_login(api: ScriptedApi, config: Path) -> None:
    log_in(config, api.url)
    assert stenolog(config, "logout").stderr == "logged out\n"
    assert stenolog(config, "logout").stderr == "nobody was logged in\n"
    assert list((config / "stenolog").iterdir()) == []
