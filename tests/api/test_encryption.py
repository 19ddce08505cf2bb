"""HTTPS: what came in the clear is sent on or refused, and a certificate is changed without a restart."""

import asyncio
import json
import logging
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from msgspec.structs import replace

from api.encryption import OnlyEncrypted, ServedCertificate, only_encrypted, served_certificate
from api.server import Server
from api.source import TrustedProxies
from embedded.ports import free_port
from infrastructure.encryption import Pair, require_encryption, trusting
from infrastructure.settings import InvalidSetting, Settings
from tests.api.rig import PASSWORD
from tests.api.test_process import launch
from tests.api.wire import port_of
from tests.projections.running import until
from tests.stack.certificates import Authority, Certified
from tests.stack.tls_proxy import tls_proxy

PROXY = "10.0.0.1"
BROWSER = "203.0.113.7"
VARIABLES = "STENOLOG_TLS_CERT and STENOLOG_TLS_KEY"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200 with the path, whatever it is asked."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    body = scope["path"].encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def ask(
    path: str = "/v1/files",
    *,
    method: str = "GET",
    peer: str = PROXY,
    scheme: str = "http",
    query: str = "",
    **headers: str,
) -> Answer:
    """Of an API that trusts PROXY and wants encryption."""
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    sent = {
        "host": "api.example.org:8000",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    scope: Any = {
        "type": "http",
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "client": (peer, 1),
        "headers": [(name.encode(), text.encode()) for name, text in sent.items()],
    }
    await OnlyEncrypted(application, TrustedProxies(PROXY))(scope, receive, send)
    start, body = said
    return Answer(start["status"], dict(start["headers"]), body["body"])


# Behind a proxy


async def test_what_came_to_the_proxy_by_https_is_served_and_browsers_are_told_to_stay_there() -> None:
    for headers in ({"x_forwarded_proto": "https"}, {"forwarded": 'for=203.0.113.7;proto="https"'}):
        answer = await ask(**headers)
        assert (answer.status, answer.body) == (200, b"/v1/files")
        assert answer.headers[b"strict-transport-security"] == b"max-age=31536000"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_came_to_the_proxy_in_the_clear_is_sent_to_https(method: str) -> None:
    answer = await ask(method=method, query="limit=2&cursor=%2F", x_forwarded_proto="http")
    assert answer.status == 307
    assert answer.headers[b"location"] == b"https://api.example.org/v1/files?limit=2&cursor=%2F"
    assert answer.body == b""
    assert b"strict-transport-security" not in answer.headers


async def test_an_address_is_sent_on_with_its_brackets() -> None:
    answer = await ask(host="[2001:db8::7]:8000", x_forwarded_proto="http")
    assert answer.headers[b"location"] == b"https://[2001:db8::7]/v1/files"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_command_in_the_clear_is_a_problem_and_never_carried_out(method: str) -> None:
    answer = await ask(method=method, x_forwarded_proto="http")
    problem = json.loads(answer.body)
    assert (answer.status, problem["status"], problem["code"]) == (400, 400, "not_encrypted")
    assert answer.headers[b"content-type"] == b"application/problem+json"


async def test_openais_clients_are_told_so_in_the_shape_that_they_know() -> None:
    answer = await ask(method="POST", path="/v1/audio/transcriptions", x_forwarded_proto="http")
    assert (answer.status, answer.headers[b"content-type"]) == (400, b"application/json")
    assert json.loads(answer.body)["error"]["code"] == "not_encrypted"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_forwarded_proto": "https, http"},
        {"x_forwarded_proto": "HTTP"},
        {"x_forwarded_proto": "https", "forwarded": "proto=http"},
        {"forwarded": "for=203.0.113.7"},
        {"forwarded": "proto=https, for=10.0.0.1;proto=http"},
        {"forwarded": 'proto="https'},
        {"forwarded": "proto=https;;=;"},
    ],
)
async def test_one_part_of_the_way_in_the_clear_is_enough(headers: dict[str, str]) -> None:
    assert (await ask(method="POST", **headers)).status == 400


async def test_nobody_but_a_trusted_proxy_is_believed() -> None:
    assert (await ask(peer=BROWSER, x_forwarded_proto="https")).status == 307
    assert (await ask(peer=BROWSER, forwarded="proto=https")).status == 307
    # Nor can anybody but a proxy make a connection less encrypted than it is.
    assert (await ask(peer=BROWSER, scheme="https", x_forwarded_proto="http")).status == 200
    assert (await ask(scheme="https", x_forwarded_proto="http")).status == 307


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/v1/health/system"])
async def test_probes_are_answered_in_the_clear(path: str) -> None:
    answer = await ask(path, peer=BROWSER)
    assert (answer.status, answer.body) == (200, path.encode())


def test_without_the_setting_nothing_is_in_the_way() -> None:
    assert only_encrypted(application, Settings()) is application
    assert only_encrypted(application, Settings(require_encryption=True)) is not application


def test_where_nobody_can_encrypt_the_api_does_not_start() -> None:
    with pytest.raises(InvalidSetting, match=r"^STENOLOG_TLS_CERT: "):
        require_encryption(Settings(require_encryption=True), ["http"])
    require_encryption(Settings(require_encryption=True, tls_cert="/c.pem"), ["http"])
    require_encryption(Settings(require_encryption=True, trusted_proxies=PROXY), ["http"])


# With a certificate of its own


class Files:
    """Where the certificate that is served lies."""

    def __init__(self, folder: Path) -> None:
        self.pair = Pair(
            certificate=str(folder / "tls.crt"), key=str(folder / "tls.key"), variables=VARIABLES
        )

    def put(self, certified: Certified) -> "Files":
        shutil.copy(certified.certificate, self.pair.certificate)
        shutil.copy(certified.key, self.pair.key)
        return self


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Files:
    return Files(tmp_path).put(authority.certify("first"))


@asynccontextmanager
async def serving(certificate: ServedCertificate) -> AsyncIterator[Server]:
    server = Server(application, Settings(port=0), tls=certificate.context)
    running = asyncio.create_task(server.serve())
    keeping = asyncio.create_task(certificate.keep_fresh())
    try:
        async with asyncio.timeout(30):
            while not server.started:
                await asyncio.sleep(0.01)
        yield server
    finally:
        keeping.cancel()
        server.end()
        await running


async def shown(server: Server, context: ssl.SSLContext) -> str:
    """The name in the certificate that a new connection gets, once a request on it was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server), ssl=context)
    try:
        writer.write(b"GET /over-tls HTTP/1.1\r\nHost: stenolog\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(30):
            assert (await reader.read()).endswith(b"/over-tls")
        certificate = writer.get_extra_info("ssl_object").getpeercert()
        return str(dict(part[0] for part in certificate["subject"])["commonName"])
    finally:
        writer.close()


async def test_a_new_certificate_is_served_without_a_restart(authority: Authority, files: Files) -> None:
    context = trusting(str(authority.ca), "CA")
    async with serving(ServedCertificate(files.pair, poll_seconds=0.02)) as server:
        assert await shown(server, context) == "first"
        files.put(authority.certify("second"))

        async def renewed() -> bool:
            return await shown(server, context) == "second"

        await until(renewed)


async def test_a_pair_that_does_not_fit_changes_nothing_and_is_said_once(
    authority: Authority, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    context = trusting(str(authority.ca), "CA")
    with caplog.at_level(logging.INFO, "api.encryption"):
        async with serving(ServedCertificate(files.pair, poll_seconds=0.02)) as server:
            shutil.copy(authority.certify("second").certificate, files.pair.certificate)

            async def complained() -> bool:
                return bool(caplog.records)

            await until(complained)
            assert await shown(server, context) == "first"
            Path(files.pair.key).unlink()

            async def complained_again() -> bool:
                return len(caplog.records) == 2

            await until(complained_again)
            assert await shown(server, context) == "first"
            files.put(authority.certify("third"))

            async def renewed() -> bool:
                return await shown(server, context) == "third"

            await until(renewed)
    mismatch, missing, *_ = [record.getMessage() for record in caplog.records]
    assert mismatch == (
        f"the certificate of before stays: {VARIABLES}: {files.pair.certificate} and {files.pair.key} "
        "are no certificate and key in PEM that fit each other"
    )
    assert missing.endswith(f"{files.pair.key}: no such file or directory")
    assert "PRIVATE" not in caplog.text


async def test_tls_before_1_2_is_refused(authority: Authority, files: Files) -> None:
    old = trusting(str(authority.ca), "CA")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with serving(ServedCertificate(files.pair)) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await shown(server, old)


async def test_settings_that_cannot_work_are_refused_by_name(files: Files, authority: Authority) -> None:
    cert, key = files.pair.certificate, files.pair.key
    for wrong, line in (
        (Settings(tls_cert=cert), "go together"),
        (Settings(tls_key=key), "go together"),
        (Settings(tls_cert=cert, tls_key="/no/such.key"), "/no/such.key: no such file or directory"),
        (Settings(tls_cert=cert, tls_key=str(authority.certify("other").key)), "fit each other"),
    ):
        with pytest.raises(InvalidSetting) as refused:
            await served_certificate(wrong)
        assert str(refused.value).startswith(VARIABLES)
        assert line in str(refused.value)
    assert await served_certificate(Settings()) is None
    assert await served_certificate(Settings(tls_cert=cert, tls_key=key)) is not None


# The process


async def test_with_everything_encrypted_the_api_serves_and_takes_a_new_certificate(
    settings: Settings, authority: Authority, files: Files, tmp_path: Path
) -> None:
    context = trusting(str(authority.ca), "CA")
    server = urlsplit(settings.database_url)
    async with tls_proxy(
        (server.hostname or "", server.port or 0), authority.certify("postgres"), "postgres"
    ) as proxy:
        user = server.netloc.rpartition("@")[0]
        encrypted = replace(
            settings,
            database_url=f"postgresql://{user}@127.0.0.1:{proxy.port}{server.path}"
            f"?sslmode=verify-full&sslrootcert={quote(str(authority.ca))}",
            require_encryption=True,
            tls_cert=files.pair.certificate,
            tls_key=files.pair.key,
            port=free_port(),
        )
        url = f"https://127.0.0.1:{encrypted.port}/v1"
        async with (
            running(encrypted, tmp_path) as process,
            httpx.AsyncClient(verify=context, timeout=60) as client,
        ):

            async def answers() -> bool:
                assert process.returncode is None
                with suppress(httpx.TransportError):
                    return (await client.get(f"{url}/health/live")).status_code == 200
                return False

            await until(answers)
            credentials = {"email": "anna@example.com", "password": PASSWORD}
            assert (await client.post(f"{url}/auth/register", json=credentials)).status_code == 201
            answer = await client.post(f"{url}/auth/login", json=credentials)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert proxy.connections > 0
            before = await certificate_at(encrypted.port, context)
            files.put(authority.certify("second"))

            async def renewed() -> bool:
                return await certificate_at(encrypted.port, context) != before

            await until(renewed)
            process.terminate()
            assert await process.wait() == 0


@asynccontextmanager
async def running(settings: Settings, tmp: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await launch(settings, tmp)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def certificate_at(port: int, context: ssl.SSLContext) -> bytes:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.close()
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return certificate
