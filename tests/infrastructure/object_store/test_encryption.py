"""A bucket behind TLS with an authority of our own: what is trusted, and what is refused with which line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from domain.ports import ObjectStoreUnavailable
from infrastructure.encryption import RefusedConnection
from infrastructure.object_store import open_object_store
from infrastructure.settings import InvalidSetting
from tests.stack.certificates import Authority, Certified
from tests.stack.tls_proxy import TlsProxy, tls_proxy

KEY = "media/anna/0a1b"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The one that is trusted."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca))
    return authority


@asynccontextmanager
async def encrypted(endpoint: str, shown: Certified) -> AsyncIterator[TlsProxy]:
    server = urlsplit(endpoint)
    async with tls_proxy((server.hostname or "", server.port or 0), shown) as proxy:
        yield proxy


def bucket(port: int, scheme: str = "https") -> str:
    return f"s3://stenolog-{uuid4().hex}?endpoint={scheme}://127.0.0.1:{port}&create=yes"


async def refusal(url: str) -> str:
    with pytest.raises(RefusedConnection) as refused:
        async with open_object_store(url):
            pass
    line = str(refused.value)
    assert "\n" not in line
    assert "not a secret" not in line
    return line


async def test_objects_go_through_tls(s3_endpoint: str, s3_credentials: None, authority: Authority) -> None:
    async with (
        encrypted(s3_endpoint, authority.certify("bucket")) as proxy,
        open_object_store(bucket(proxy.port), encrypted=True) as store,
    ):
        await store.put(KEY, b"some sound")
        assert await store.get(KEY) == b"some sound"
        assert proxy.connections > 0


async def test_a_certificate_that_others_signed_is_refused(
    s3_endpoint: str, s3_credentials: None, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    async with encrypted(s3_endpoint, stranger.certify("bucket")) as proxy:
        line = await refusal(bucket(proxy.port))
        assert proxy.connections == 0
    assert line == (
        f"AWS_CA_BUNDLE: the certificate of the object store at 127.0.0.1:{proxy.port} "
        f"is signed by nobody in {authority.ca}"
    )


async def test_a_certificate_that_has_expired_or_is_for_another_name_is_refused(
    s3_endpoint: str, s3_credentials: None, authority: Authority
) -> None:
    for shown, why in (
        (authority.certify("old", lasts=-timedelta(minutes=1)), "has expired"),
        (authority.certify("elsewhere", host="s3.example.org"), "is for another name"),
    ):
        async with encrypted(s3_endpoint, shown) as proxy:
            line = await refusal(bucket(proxy.port))
        assert f"the certificate of the object store at 127.0.0.1:{proxy.port} {why}" in line


async def test_a_server_without_tls_is_refused(
    s3_endpoint: str, s3_credentials: None, authority: Authority
) -> None:
    port = urlsplit(s3_endpoint).port or 0
    assert await refusal(bucket(port)) == (
        f"STENOLOG_OBJECT_STORE: the object store at 127.0.0.1:{port} does not speak TLS"
    )


async def test_a_bundle_that_cannot_be_read_is_named(
    s3_endpoint: str, s3_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, why in (("/no/such.pem", "no such file or directory"), (__file__, "no certificate in PEM")):
        monkeypatch.setenv("AWS_CA_BUNDLE", path)
        with pytest.raises(InvalidSetting, match=f"AWS_CA_BUNDLE: {path}.* ?{why}"):
            async with open_object_store(bucket(1)):
                pass


@pytest.mark.parametrize("through_the_environment", [False, True])
async def test_a_bucket_in_the_clear_is_refused_when_that_is_forbidden(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch, through_the_environment: bool
) -> None:
    url = bucket(1, "http")
    if through_the_environment:
        url = "s3://stenolog"
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(InvalidSetting, match=r"^STENOLOG_OBJECT_STORE: .* https://"):
        async with open_object_store(url, encrypted=True):
            pass


async def test_a_folder_needs_no_encryption(tmp_path: Path) -> None:
    async with open_object_store((tmp_path / "objects").as_uri(), encrypted=True) as store:
        await store.put(KEY, b"some sound")


async def test_a_certificate_that_expires_under_a_running_process_is_an_outage(
    s3_endpoint: str, s3_credentials: None, authority: Authority
) -> None:
    shown = authority.certify("bucket")
    async with (
        encrypted(s3_endpoint, shown) as proxy,
        open_object_store(bucket(proxy.port)) as store,
    ):
        await store.put(KEY, b"some sound")
        proxy.show(authority.certify("old", lasts=-timedelta(minutes=1)))
        proxy.cut()
        with pytest.raises(ObjectStoreUnavailable, match="certificate has expired"):
            await store.get(KEY)
        proxy.show(shown)
        assert await store.get(KEY) == b"some sound"
