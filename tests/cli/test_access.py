"""How a command gets in: where the API is, which token wins, and what is said when neither is good."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.api_urls import NoUrl, api_root
from cli.main import main
from embedded.ports import free_port
from tests.cli.scripted_api import ScriptedApi, problem

QUOTA = "GET /v1/user/quota"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi().serving() as api:
        yield api


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config"


def stenolog(config: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"XDG_CONFIG_HOME": str(config), **environment})


def log_in(config: Path, url: str, **environment: str) -> Result:
    secret = {"STENOLOG_PASSWORD": "correct horse", **environment}
    return stenolog(config, "login", "--url", url, "--email", "anna@example.com", **secret)


@pytest.mark.parametrize(
    "given",
    [
        "https://a.example",
        "https://a.example/",
        " https://a.example/v1 ",
        "https://a.example/v1/",
        "HTTPS://A.example/v1?x=1#y",
    ],
)
def test_a_url_has_one_form(given: str) -> None:
    assert api_root(given) == "https://a.example"


@pytest.mark.parametrize(
    "given",
    ["", "localhost:8000", "a.example", "ftp://a.example", "http://", "http://[::1", "http://a:99999"],
)
def test_what_is_no_url_of_an_api_is_said_at_once(given: str, config: Path) -> None:
    with pytest.raises(NoUrl):
        api_root(given)
    result = stenolog(config, "login", "--url", given or " ")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "is no URL of an API: give one such as https://" in result.stderr


def test_an_api_that_is_not_there_is_named_with_what_keeps_it_away(config: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = stenolog(config, "quota", "--url", url, STENOLOG_TOKEN="mine")
    assert result.exit_code == 1
    assert (
        result.stderr == f"stenolog: no answer from {url}: ConnectError (All connection attempts failed)\n"
    )


def test_the_same_api_written_in_another_way_gets_the_token_that_is_kept(
    api: ScriptedApi, config: Path
) -> None:
    log_in(config, api.url)
    assert stenolog(config, "quota", "--url", f"{api.url}/v1/").exit_code == 0


def test_a_token_of_the_environment_goes_to_the_api_of_the_login(api: ScriptedApi, config: Path) -> None:
    log_in(config, api.url)
    assert stenolog(config, "quota", STENOLOG_TOKEN=" mine\n").exit_code == 0
    assert api.tokens[-1] == "Bearer mine"


def test_a_token_that_is_none_is_said_at_once(api: ScriptedApi, config: Path) -> None:
    result = stenolog(config, "quota", "--url", api.url, STENOLOG_TOKEN="Bearer gehört")
    assert result.exit_code == 1
    assert result.stderr.startswith("stenolog: STENOLOG_TOKEN is no token")
    assert api.asked == []


def test_a_token_of_the_environment_that_is_over_is_what_has_to_go(api: ScriptedApi, config: Path) -> None:
    api.answers[QUOTA] = [problem(401, "The token has run out")]
    result = stenolog(config, "quota", "--url", api.url, STENOLOG_TOKEN="mine")
    assert (result.exit_code, result.stderr) == (
        1,
        "stenolog: The token has run out (give another in STENOLOG_TOKEN, or unset it and `stenolog login`)\n",
    )


def test_who_logs_in_beside_a_token_that_wins_is_told(api: ScriptedApi, config: Path) -> None:
    told = log_in(config, api.url, STENOLOG_TOKEN="mine").stderr.splitlines()
    assert told[-1] == "but STENOLOG_TOKEN is set, and wins: unset it"


def test_who_logs_in_once_more_does_so_where_they_did_before(api: ScriptedApi, config: Path) -> None:
    log_in(config, api.url)
    secret = {"STENOLOG_PASSWORD": "correct horse"}
    assert stenolog(config, "login", "--email", "anna@example.com", **secret).exit_code == 0
    assert api.asked.count("POST /v1/auth/login") == 2


def test_a_place_where_no_login_can_be_kept_is_one_line(api: ScriptedApi, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.touch()
    result = log_in(config, api.url)
    assert (result.exit_code, result.stderr) == (
        1,
        f"stenolog: the login in {config}/stenolog/login.json cannot be written or removed: File exists\n",
    )
    assert stenolog(config, "logout").exit_code == 1


def test_a_login_that_runs_out_under_several_recordings_is_one_line_and_names_what_goes_on(
    api: ScriptedApi, config: Path, tmp_path: Path
) -> None:
    log_in(config, api.url)
    files = [tmp_path / f"{number}.mp3" for number in range(3)]
    for file in files:
        file.write_bytes(b"sound")
    for request in [each for each in api.answers if each.startswith("GET /v1/transcriptions/")]:
        api.answers[request] = [problem(401, "The token has run out")]
    result = stenolog(config, "transcribe", "-o", str(tmp_path), *map(str, files))
    assert result.exit_code == 1
    told = result.stderr.splitlines()
    assert told[-1] == "stenolog: The token has run out (`stenolog login`)"
    assert told[-2].startswith("0.mp3 goes on as 00000000-0000-0000-0000-000000000002: `stenolog export ")
    assert "Traceback" not in result.output
