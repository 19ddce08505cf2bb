"""PostgreSQL over TLS with `verify-full`: what is trusted, what is refused with which line, and what an outage is.

The embedded PostgreSQL is built without OpenSSL. A proxy speaks its protocol as far as the handshake, and TLS.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from infrastructure.mendable import Mendable
from infrastructure.postgres.certificates import DatabaseTurnedAway
from infrastructure.postgres.errors import TRANSIENT, DatabaseUnavailable
from infrastructure.postgres.pool import create_pool
from infrastructure.postgres.retry import retried
from infrastructure.settings import InvalidSetting, Settings
from tests.infrastructure.kafka.messages import until
from tests.stack.certificates import Authority, Certified
from tests.stack.processes import run_to_its_end
from tests.stack.tls_proxy import Greeting, TlsProxy, tls_proxy

SECONDS = 20.0
SLEEPING = "select count(*) from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def shown(authority: Authority) -> Certified:
    return authority.certify("postgres")


@asynccontextmanager
async def encrypted(url: str, shown: Certified, greeting: Greeting = "postgres") -> AsyncIterator[TlsProxy]:
    server = urlsplit(url)
    async with tls_proxy((server.hostname or "", server.port or 0), shown, greeting) as proxy:
        yield proxy


def through(proxy: TlsProxy, url: str, ca: Path | str, mode: str = "verify-full") -> str:
    return f"{around(proxy, url)}?sslmode={mode}&sslrootcert={quote(str(ca))}"


def around(proxy: TlsProxy, url: str) -> str:
    server = urlsplit(url)
    user = server.netloc.rpartition("@")[0]
    return f"postgresql://{user}@127.0.0.1:{proxy.port}{server.path}"


async def refusal(url: str) -> str:
    """The one line with which a pool that is to be opened is refused."""
    with pytest.raises(Mendable) as refused:
        await create_pool(url, connect_seconds=SECONDS)
    line = str(refused.value)
    assert isinstance(refused.value, DatabaseTurnedAway | InvalidSetting)
    assert line.startswith("STENOLOG_DATABASE_URL: ")
    assert "\n" not in line
    assert str(urlsplit(url).password) not in line
    return line


async def test_everything_goes_through_tls(
    empty_database_url: str, authority: Authority, shown: Certified
) -> None:
    async with encrypted(empty_database_url, shown) as proxy:
        url = through(proxy, empty_database_url, authority.ca)
        ended = await run_to_its_end(
            Settings(database_url=url, require_encryption=True), "infrastructure.postgres"
        )
        assert (ended.code, proxy.connections) == (0, 1)
        async with await create_pool(url) as pool:
            assert await pool.fetchval("select count(*) from events") == 0


async def test_a_query_that_takes_too_long_is_cancelled_through_tls_as_well(
    empty_database_url: str, authority: Authority, shown: Certified
) -> None:
    async with (
        encrypted(empty_database_url, shown) as proxy,
        await create_pool(
            through(proxy, empty_database_url, authority.ca), size_max=1, command_seconds=0.2
        ) as pool,
    ):
        with pytest.raises(TimeoutError):
            await pool.execute("select pg_sleep(60)")

        async def stopped() -> bool:
            return bool(await pool.fetchval(SLEEPING) == 0)

        await until(stopped)


async def test_a_certificate_that_others_signed_is_refused(
    empty_database_url: str, authority: Authority, shown: Certified, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    async with encrypted(empty_database_url, shown) as proxy:
        line = await refusal(through(proxy, empty_database_url, stranger.ca))
        assert proxy.connections == 0
    assert line == (
        f"STENOLOG_DATABASE_URL: the certificate of PostgreSQL at 127.0.0.1:{proxy.port} "
        f"is signed by nobody in {stranger.ca}"
    )


async def test_a_certificate_that_has_expired_or_is_for_another_name_is_refused(
    empty_database_url: str, authority: Authority
) -> None:
    for shown, why in (
        (authority.certify("old", lasts=-timedelta(minutes=1)), "has expired"),
        (authority.certify("elsewhere", host="db.example.org"), "is for another name: IP address mismatch"),
    ):
        async with encrypted(empty_database_url, shown) as proxy:
            line = await refusal(through(proxy, empty_database_url, authority.ca))
            assert proxy.connections == 0
        assert f"the certificate of PostgreSQL at 127.0.0.1:{proxy.port} {why}" in line


async def test_a_server_without_tls_is_refused_where_tls_is_asked_for(
    empty_database_url: str, authority: Authority, shown: Certified
) -> None:
    async with encrypted(empty_database_url, shown, "postgres without TLS") as proxy:
        line = await refusal(through(proxy, empty_database_url, authority.ca))
    assert line.endswith(
        f"PostgreSQL at 127.0.0.1:{proxy.port} does not speak TLS, and sslmode asks for it"
    )


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("sslmode=verify-full&sslrootcert=/no/such.pem", "/no/such.pem: no such file or directory"),
        (f"sslmode=verify-full&sslrootcert={__file__}", "holds no certificate in PEM"),
        ("sslmode=verify-full&sslrootcert={ca}&sslcert=/no/such.pem", "/no/such.pem: no such file"),
        ("sslmode=verify-fully", "`sslmode` parameter must be one of"),
    ],
)
async def test_parameters_that_cannot_work_are_refused_by_name(
    empty_database_url: str, authority: Authority, query: str, why: str
) -> None:
    assert why in await refusal(f"{empty_database_url}?{query.format(ca=authority.ca)}")


async def test_a_certificate_that_expires_under_a_running_process_is_an_outage(
    empty_database_url: str, authority: Authority, shown: Certified
) -> None:
    async with (
        encrypted(empty_database_url, shown) as proxy,
        await create_pool(through(proxy, empty_database_url, authority.ca), size_max=1) as pool,
    ):
        assert await pool.fetchval("select 1") == 1
        proxy.show(authority.certify("old", lasts=-timedelta(minutes=1)))
        proxy.cut()
        with pytest.raises(DatabaseUnavailable, match="certificate has expired"):
            await retried(lambda: pool.fetchval("select 1"), 2)
        proxy.show(shown)
        assert await retried(lambda: pool.fetchval("select 1"), SECONDS) == 1


async def test_a_process_that_does_not_trust_its_database_ends_with_one_line(
    empty_database_url: str, authority: Authority
) -> None:
    old = authority.certify("old", lasts=-timedelta(minutes=1))
    async with encrypted(empty_database_url, old) as proxy:
        url = through(proxy, empty_database_url, authority.ca)
        ended = await run_to_its_end(Settings(database_url=url, log_level="debug"), "projections")
    assert ended.code == 1
    assert ended.lines[-1].startswith("STENOLOG_DATABASE_URL: the certificate of PostgreSQL at ")
    assert str(urlsplit(url).password) not in "".join(ended.lines)


@pytest.mark.parametrize("query", ["", "?sslmode=require", "?sslmode=verify-ca", "?sslmode=prefer"])
async def test_connections_in_the_clear_are_refused_when_that_is_forbidden(query: str) -> None:
    settings = Settings(
        database_url=f"postgresql://anna:sesame@127.0.0.1:1/log{query}", require_encryption=True
    )
    ended = await run_to_its_end(settings, "projections")
    assert ended.code == 2
    assert [each.partition(":")[0] for each in ended.lines] == [
        "STENOLOG_DATABASE_URL",
        "STENOLOG_KAFKA_SECURITY",
    ]
    assert "sesame" not in "".join(ended.lines)


def test_what_is_refused_at_start_is_an_outage_later() -> None:
    """A class that retries would take for an outage at start as well, and wait half a minute."""
    assert not issubclass(DatabaseTurnedAway, TRANSIENT)
