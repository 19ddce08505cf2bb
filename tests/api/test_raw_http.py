"""What clients, scanners and proxies really send, over a real socket: each gets the answer that is right, none a 500."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import jwt
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from api.server import Server
from tests.api.conftest import SECRET
from tests.api.rig import Installation, Person, sound
from tests.api.test_bad_input import PROTECTED, claims
from tests.api.wire import Answer, Wire, answer_to, listening


@dataclass(frozen=True, slots=True)
class Door:
    """The server, and requests to it put together by hand."""

    server: Server

    async def asks(
        self, method: str, path: str, content: bytes = b"", *, token: str = "", **headers: str
    ) -> Answer:
        return await answer_to(self.server, request(method, path, content, token=token, **headers), method)


def request(method: str, path: str, content: bytes = b"", *, token: str = "", **headers: str) -> bytes:
    lines = {"Host": "stenolog", "Content-Type": "application/json", "Content-Length": str(len(content))}
    if token:
        lines["Authorization"] = f"Bearer {token}"
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in lines.items()
    )
    return head.encode() + b"\r\n" + content


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def door(installation: Installation) -> AsyncIterator[Door]:
    async with serving_door(installation) as opened:
        yield opened


@asynccontextmanager
async def serving_door(installation: Installation) -> AsyncIterator[Door]:
    async def started(scope: Any, receive: Any, send: Any) -> None:
        """The application, which runs already."""
        if scope["type"] != "lifespan":
            await installation.app(scope, receive, send)
            return
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})

    async with listening(started) as server:
        yield Door(server)


@pytest.fixture
def token(anna: Person) -> str:
    return str(anna.client.headers["Authorization"]).removeprefix("Bearer ")


# JSON

Route: TypeAlias = tuple[str, str, dict[str, str]]
BODIES: list[Route] = [
    ("POST", "/v1/auth/register", {"email": "a@example.com", "password": "correct horse"}),
    ("POST", "/v1/auth/login", {"email": "a@example.com", "password": "correct horse"}),
    ("POST", "/v1/transcriptions", {"file_id": str(UUID(int=1))}),
    ("PUT", f"/v1/transcriptions/{UUID(int=1)}/text", {"transcript_text": "words"}),
]


def nested(depth: int) -> bytes:
    return b'{"unknown":' * depth + b"1" + b"}" * depth


TOO_DEEP = {
    "2,000 objects": nested(2_000),
    "5,000 objects": nested(5_000),
    "30,000 arrays, whole": b"[" * 30_000 + b"]" * 30_000,
    "60,000 arrays, open": b"[" * 60_000,
    "in a known member": b'{"email":' + nested(3_000) + b"}",
}


@pytest.mark.parametrize("kind", TOO_DEEP)
@pytest.mark.parametrize(("method", "path", "_body"), BODIES)
async def test_json_that_is_too_deep_is_refused(
    door: Door, token: str, method: str, path: str, _body: object, kind: str
) -> None:
    assert (await door.asks(method, path, TOO_DEEP[kind], token=token)).problem["status"] == 400


@pytest.mark.parametrize("kind", TOO_DEEP)
@pytest.mark.parametrize(("method", "path", "_body"), BODIES)
async def test_json_that_is_too_deep_says_nothing_to_strangers(
    door: Door, method: str, path: str, _body: object, kind: str
) -> None:
    expected = 400 if path.startswith("/v1/auth") else 401
    assert (await door.asks(method, path, TOO_DEEP[kind])).problem["status"] == expected


NOT_UTF8 = [b"\xe9", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"]


@pytest.mark.parametrize("byte", NOT_UTF8)
@pytest.mark.parametrize("route", BODIES)
async def test_json_that_is_not_utf_8_is_refused(door: Door, token: str, route: Route, byte: bytes) -> None:
    method, path, body = route
    whole = json.dumps(body).encode()
    for name, value in body.items():
        for broken in (
            whole.replace(value.encode(), value.encode() + byte),
            whole.replace(name.encode(), byte),
        ):
            assert (await door.asks(method, path, broken, token=token)).problem["status"] == 400


@pytest.mark.parametrize("route", BODIES)
@pytest.mark.parametrize("name", ["speaker", "webhook_url", "ä b", "`x`", "x" * 1_000])
async def test_an_unknown_member_is_named(door: Door, token: str, route: Route, name: str) -> None:
    method, path, body = route
    content = json.dumps(body | {name: "de"}).encode()
    refused = (await door.asks(method, path, content, token=token)).problem
    assert (refused["status"], refused["field"]) == (400, name[:100])
    assert f"{name[:100]} is no member" in refused["error"]


ODD_JSON = {
    "NaN": b'{"email": NaN}',
    "1e999999": b'{"email": 1e999999}',
    "5,000 digits": b'{"email": ' + b"9" * 5_000 + b"}",
    "UTF-16": '{"email": "a"}'.encode("utf-16"),
    "a form": b"email=a&password=b",
    "half a surrogate": b'{"email": "\\ud800", "password": "correct horse"}',
    "a null character": b'{"email": "a\\u0000@b.co", "password": "correct horse"}',
    "a comment": b'{"email": "a@b.co" /* mine */}',
    "a bare word": b"hello",
    "null": b"null",
}


@pytest.mark.parametrize("kind", ODD_JSON)
@pytest.mark.parametrize(("method", "path", "_body"), BODIES)
async def test_odd_json_is_refused(
    door: Door, token: str, method: str, path: str, _body: object, kind: str
) -> None:
    status = (await door.asks(method, path, ODD_JSON[kind], token=token)).problem["status"]
    # An address with a null is nobody's: for a login that is a wrong one, like any other.
    assert status == (401 if (kind, path) == ("a null character", "/v1/auth/login") else 400)


async def test_a_body_that_is_not_there_is_said_to_be_missing(door: Door, token: str) -> None:
    for path in ("/v1/auth/login", "/v1/transcriptions", "/v1/api-keys"):
        answer = await door.asks("POST", path, token=token)
        assert answer.status == 400
        assert answer.problem["detail"].startswith("The body is missing"), answer.problem


async def test_a_body_in_another_coding_is_not_guessed_at(door: Door) -> None:
    for encoding in ("gzip", "br", "deflate"):
        answer = await door.asks("POST", "/v1/auth/login", b"\x1f\x8b\x08\x00", Content_Encoding=encoding)
        assert answer.status in (400, 415)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/transcriptions"])
@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+99:99",
        "10000-01-01T00:00:00+00:00",
        "",
        "\x00",
    ],
)
async def test_a_cursor_of_no_time_is_refused(door: Door, token: str, path: str, time: str) -> None:
    cursor = urlsafe_b64encode(UUID(int=1).bytes + time.encode()).decode().rstrip("=")
    answer = await door.asks("GET", f"{path}?cursor={cursor}", token=token)
    assert (answer.status, answer.problem["field"]) == (400, "cursor")


@pytest.mark.parametrize("path", ["/v1/files", "/v1/transcriptions"])
@pytest.mark.parametrize(
    "cursor", ["x", "AAAA", "_" * 500, "%00", "%ff%fe", "%C3%A9", "A" * 10_000, "=", "%F0%9F%8E%A4"]
)
async def test_a_cursor_of_junk_is_refused(door: Door, token: str, path: str, cursor: str) -> None:
    answer = await door.asks("GET", f"{path}?cursor={cursor}", token=token)
    assert (answer.status, answer.problem["field"]) == (400, "cursor")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"])
async def test_a_cursor_at_the_ends_of_time_is_one(door: Door, token: str, at: str) -> None:
    cursor = urlsafe_b64encode(UUID(int=1).bytes + at.encode()).decode().rstrip("=")
    assert (await door.asks("GET", f"/v1/files?cursor={cursor}", token=token)).status == 200


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "9" * 5_000, "1.5", "", "%00", "1e3"])
async def test_a_limit_that_is_none_is_refused(door: Door, token: str, limit: str) -> None:
    answer = await door.asks("GET", f"/v1/files?limit={limit}", token=token)
    assert (answer.status, answer.problem["field"]) == (400, "limit")


@pytest.mark.parametrize("sent", ["4:0", "999999:1", "0:x", "0", "-1:1", "0:" + "9" * 30, "\u0661:\u0661"])
async def test_a_consistency_token_of_nowhere_is_refused_at_once(door: Door, token: str, sent: str) -> None:
    async with asyncio.timeout(5):  # half of what a token of somewhere would be waited for
        answer = await door.asks("GET", "/v1/files", token=token, Consistency_Token=sent)
    assert (answer.status, answer.problem["field"]) == (400, "Consistency-Token")


# Methods


def paths_of(installation: Installation) -> list[tuple[str, set[str]]]:
    """Every path there is, with ids that nobody has, and its methods."""
    named = {
        "{name:str}": "swagger-ui.css",
        "{path:str}": "openapi.json",
        "{partition:int}": "0",
        "{path:path}": "0/000",
    }
    found = []
    for route in installation.app.routes:
        assert isinstance(route, HTTPRoute)
        pieces = [
            named.get(piece, str(UUID(int=1)) if "{" in piece else piece) for piece in route.path.split("/")
        ]
        methods = {str(getattr(each, "value", each)) for each in route.methods}
        found.append(("/".join(pieces), methods | {"HEAD"} if "GET" in methods else methods))
    return found


async def test_head_is_answered_wherever_get_is_and_without_a_body(
    installation: Installation, door: Door, token: str
) -> None:
    for path, methods in paths_of(installation):
        if "GET" not in methods:
            assert (await door.asks("HEAD", path, token=token)).status == 405
            continue
        whole, head = [await door.asks(method, path, token=token) for method in ("GET", "HEAD")]
        assert head.status == whole.status, path
        assert head.headers["content-type"] == whole.headers["content-type"]
        if path != "/metrics":  # whose numbers move
            assert head.headers.get("content-length") == whole.headers.get("content-length")


async def test_after_a_head_the_connection_goes_on(door: Door, token: str) -> None:
    wire = await (await Wire.to(door.server)).says(request("HEAD", "/v1/files", token=token))
    assert (await wire.answer("HEAD")).status == 200
    await wire.says(request("GET", "/v1/files", token=token))
    assert (await wire.answer()).body == b"[]"


async def test_options_names_every_method_and_asks_for_no_token(
    installation: Installation, door: Door
) -> None:
    for path, methods in paths_of(installation):
        answer = await door.asks("OPTIONS", path)
        assert (answer.status, answer.headers["allow"]) == (204, ", ".join(sorted(methods)))


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "TRACE", "PROPFIND", "PURGE"])
async def test_another_method_is_refused_with_those_that_are_allowed(
    installation: Installation, door: Door, method: str
) -> None:
    others = [(path, methods) for path, methods in paths_of(installation) if method not in methods]
    for path, methods in others:
        answer = await door.asks(method, path)
        assert answer.status == 405, path
        assert set(answer.headers["allow"].split(", ")) == methods


async def test_what_no_route_takes_is_not_found_by_any_method(door: Door) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
        assert (await door.asks(method, "/v1/nothing")).status == 404


PREFLIGHT = {"Origin": "https://app.example.com", "Access_Control_Request_Method": "POST"}


async def test_without_origins_a_preflight_permits_nothing(installation: Installation, door: Door) -> None:
    for path, _ in paths_of(installation):
        answer = await door.asks("OPTIONS", path, b"", **PREFLIGHT)
        assert answer.status == 204
        assert not [name for name in answer.headers if name.startswith("access-control-")]


# Tokens

TOKENS = {
    "alg none": jwt.encode(claims(), "", algorithm="none"),
    "alg as a list": "eyJhbGciOlsiSFMyNTYiXX0." + jwt.encode(claims(), SECRET).split(".", 1)[1],
    "a numeric kid": jwt.encode(claims(), SECRET + "x", headers={"kid": "1"}),
    "a nested header": urlsafe_b64encode(b'{"alg":' + b"[" * 3_000 + b"]" * 3_000 + b"}")
    .decode()
    .rstrip("=")
    + ".e30.e30",
    "not base64": "\u00e4.\u00f6.\u00fc",
    "dots": "..",
    "long": "a" * 20_000,
}


@pytest.mark.parametrize("kind", TOKENS)
async def test_an_odd_token_is_refused(door: Door, kind: str) -> None:
    assert (await door.asks("GET", "/v1/auth/me", token=TOKENS[kind])).problem["status"] == 401


async def test_bytes_for_a_token_are_refused(door: Door) -> None:
    head = request("GET", "/v1/auth/me", token="X").replace(b"Bearer X", b"Bearer \xff\xfe")
    assert (await answer_to(door.server, head)).status == 401


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_a_token_of_nobody_is_refused_everywhere(
    installation: Installation, door: Door, method: str, path: str
) -> None:
    token = installation.parts.tokens.issue(uuid4())
    answer = await door.asks(method, f"/v1{path}", b"{}", token=token)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert answer.problem["error"].startswith("The token's user does not exist")


# Uploads

NAMES: dict[str, tuple[bytes, str | None]] = {
    "UTF-8": ('filename="Gespräch.wav"'.encode(), "Gespräch.wav"),
    "Latin-1": ('filename="Gespräch.wav"'.encode("latin-1"), "Gespr\ufffdch.wav"),
    "Shift-JIS": ('filename="会議.wav"'.encode("shift-jis"), None),
    "bytes": (b'filename="\xff\xfe\x80.wav"', "\ufffd\ufffd\ufffd.wav"),
    "extended alone": (b"filename*=UTF-8''Gespr%C3%A4ch.wav", "Gespräch.wav"),
    "extended in Latin-1": (b"filename*=iso-8859-1'de'Gespr%E4ch.wav", "Gespräch.wav"),
    "extended and broken": (b"filename*=UTF-8''Gespr%E4ch.wav", "Gespr\ufffdch.wav"),
    "both": (b"filename=\"talk.wav\"; filename*=UTF-8''Gespr%C3%A4ch.wav", "talk.wav"),
    "5,000 characters": (b'filename="' + b"x" * 5_000 + b'.wav"', "x" * 251 + ".wav"),
    "5,000 wide characters": (
        ('filename="' + "会" * 5_000 + '.wav"').encode(),
        "会" * 251 + ".wav",
    ),
    "unquoted": (b"filename=talk.wav", "talk.wav"),
    "quotes within": (b'filename="a%22b.wav"', 'a"b.wav'),
}


def form(name: bytes, content: bytes | None = None) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; ' + name + b"\r\n\r\n"
    return head + (sound() if content is None else content) + b"\r\n--x--\r\n"


async def uploads(door: Door, token: str, content: bytes, **headers: str) -> Answer:
    kind = {"Content_Type": "multipart/form-data; boundary=x"} | headers
    return await door.asks("POST", "/v1/files/upload", content, token=token, **kind)


@pytest.mark.parametrize("kind", NAMES)
async def test_a_name_in_whatever_bytes_is_no_reason_to_refuse_a_recording(
    door: Door, token: str, kind: str
) -> None:
    sent, kept = NAMES[kind]
    answer = await uploads(door, token, form(sent))
    assert answer.status == 201, answer.body
    name = json.loads(answer.body)["filename"]
    assert name == kept if kept else "\ufffd" in name


async def test_a_name_longer_than_any_is_refused_by_name(door: Door, token: str) -> None:
    answer = await uploads(door, token, form(b'filename="' + b"x" * 50_000 + b'.wav"'))
    assert answer.status == 400
    assert "filename" in answer.problem["error"]


ODD_FORMS = {
    "a quoted boundary": (form(b'filename="a.wav"'), 'multipart/form-data; boundary="x"', 201),
    "a preamble": (b"hello\r\n" + form(b'filename="a.wav"'), "multipart/form-data; boundary=x", 201),
    "no last line break": (form(b'filename="a.wav"')[:-2], "multipart/form-data; boundary=x", 201),
    "a folded header": (form(b'\r\n filename="a.wav"'), "multipart/form-data; boundary=x", 201),
    "a part called File": (
        form(b'filename="a.wav"').replace(b'name="file"', b'name="File"'),
        "multipart/form-data; boundary=x",
        400,
    ),
    "base64": (
        form(b'filename="a.wav"\r\nContent-Transfer-Encoding: base64', b"UklGRiQAAABXQVZF"),
        "multipart/form-data; boundary=x",
        400,
    ),
}


@pytest.mark.parametrize("kind", ODD_FORMS)
async def test_odd_forms_are_read_as_their_rfcs_say(door: Door, token: str, kind: str) -> None:
    content, content_type, status = ODD_FORMS[kind]
    assert (await uploads(door, token, content, Content_Type=content_type)).status == status


async def test_an_upload_may_come_by_http_1_0_and_in_chunks(door: Door, token: str) -> None:
    content = form(b'filename="a.wav"')
    whole = request(
        "POST", "/v1/files/upload", content, token=token, Content_Type="multipart/form-data; boundary=x"
    )
    assert (await answer_to(door.server, whole.replace(b"HTTP/1.1", b"HTTP/1.0"))).status == 201
    head = whole[: -len(content)].replace(
        f"Content-Length: {len(content)}".encode(), b"Transfer-Encoding: chunked"
    )
    pieces = [content[start : start + 1_000] for start in range(0, len(content), 1_000)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    assert (await answer_to(door.server, head + chunks + b"0\r\n\r\n")).status == 201


async def test_only_a_body_that_will_be_read_is_asked_for(door: Door, token: str) -> None:
    content = form(b'filename="a.wav"')
    kind = {"Content_Type": "multipart/form-data; boundary=x", "Expect": "100-continue"}
    whole = request("POST", "/v1/files/upload", content, token=token, **kind)
    wire = await (await Wire.to(door.server)).says(whole[: -len(content)])
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await (await wire.says(content)).answer()).status == 201
    stranger = request("POST", "/v1/files/upload", content, **kind)
    assert (await answer_to(door.server, stranger[: -len(content)])).status == 401


@pytest.mark.parametrize(("given", "status"), [(False, 401), (True, 413)])
async def test_a_refusal_reaches_a_client_that_is_still_sending(
    door: Door, token: str, given: bool, status: int
) -> None:
    content = form(b'filename="a.wav"', bytes(20_000_000))
    assert (await uploads(door, token if given else "", content)).status == status
    closing = await uploads(door, token if given else "", content, Connection="close")
    assert closing.status == status


# Paths


async def test_a_path_is_taken_in_any_of_its_forms(door: Door, token: str) -> None:
    for path in ("/v1/files", "/v1/files/", "//v1/files", "http://stenolog/v1/files", "/v1/%66iles"):
        assert (await door.asks("GET", path, token=token)).status == 200, path


@pytest.mark.parametrize(
    "path",
    [
        "/%00",
        "/v1/%ff",
        "/v1/files/%2e%2e/%2e%2e/etc/passwd",
        "/v1/files/..",
        "/" + "a/" * 5_000,
        "/v1/files/%f0%9f",
    ],
)
async def test_a_path_that_leads_nowhere_is_not_found(door: Door, token: str, path: str) -> None:
    assert (await door.asks("GET", path, token=token)).status in (400, 404)
