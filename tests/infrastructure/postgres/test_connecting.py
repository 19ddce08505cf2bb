"""What is wrong with the database's URL is one line that names the variable, and never quotes the password."""

import logging
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from api.errors import HANDLERS, answer_unavailable
from infrastructure.postgres.connecting import VARIABLE
from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.pool import create_pool
from infrastructure.settings import InvalidSetting

PASSWORD = "pa55word"


def with_account(url: str, account: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{account}@{parts.hostname}:{parts.port}"))


async def refusal(url: str) -> str:
    """At once: nothing of this is an outage to be sat out."""
    with pytest.raises(InvalidSetting) as problem:
        await create_pool(url, connect_seconds=60)
    told = str(problem.value)
    assert told.startswith(VARIABLE)
    assert PASSWORD not in told
    assert "\n" not in told
    return told


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "nonsense",
        f"mysql://anna:{PASSWORD}@localhost/stenolog",
        f"postgresql://anna:{PASSWORD}@localhost:port/stenolog",
        f"postgresql://anna:{PASSWORD}@[::1/stenolog",
        *(f"postgresql://anna:1{sign}{PASSWORD}@localhost:5432/stenolog" for sign in "#/?"),
        f"postgresql://anna:{PASSWORD}@localhost:5432:5433/stenolog",
        f"postgresql://anna:{PASSWORD}@localhost:99999/stenolog",
    ],
)
async def test_what_is_no_url_of_a_database_is_refused(url: str) -> None:
    assert "postgresql://user:password@host:5432/database" in await refusal(url)


async def test_a_wrong_password_is_no_outage(postgres_url: str) -> None:
    told = await refusal(with_account(postgres_url, f"stenolog:{PASSWORD}"))
    assert told.endswith('refuses: password authentication failed for user "stenolog"')


async def test_an_unknown_database_is_named(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    told = await refusal(urlunsplit(parts._replace(path="/nowhere")))
    assert told == (
        f'{VARIABLE}: PostgreSQL at {parts.hostname}:{parts.port} refuses: database "nowhere" does not exist'
    )


async def test_a_parameter_that_the_server_does_not_know_is_named(postgres_url: str) -> None:
    assert "no_such_thing" in await refusal(f"{postgres_url}?no_such_thing=1")


async def test_a_server_that_is_not_there_is_waited_for_and_then_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(
        DatabaseUnavailable, match=f"^{VARIABLE}: no answer from PostgreSQL at 127.0.0.1:9 "
    ):
        await create_pool(f"postgresql://anna:{PASSWORD}@127.0.0.1:9/stenolog", connect_seconds=0.5)
    [told] = [record.message for record in caplog.records if "waiting for" in record.message]
    assert told.startswith("waiting for PostgreSQL at 127.0.0.1:9, for 0 s now: ")
    assert PASSWORD not in caplog.text


async def test_a_host_that_nobody_knows_is_a_wrong_setting() -> None:
    with pytest.raises(
        InvalidSetting, match=r"^STENOLOG_DATABASE_URL: no answer from PostgreSQL at nowhere"
    ):
        await create_pool(f"postgresql://anna:{PASSWORD}@nowhere.invalid/stenolog", connect_seconds=0.5)


@pytest.mark.parametrize("problem", [asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError])
def test_a_password_that_changes_meanwhile_is_an_outage_for_clients(problem: type[Exception]) -> None:
    handler = next(HANDLERS[each] for each in problem.__mro__ if each in HANDLERS)
    assert handler is answer_unavailable
