"""Every route of the application, asked by everybody who must not be let in, and by those who must."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
import pytest_asyncio
from msgspec import Struct

from api.tokens import ALGORITHM, AUDIENCE, ISSUER
from commands.create_api_key import create_api_key
from domain.api_keys import SCOPES, CreateApiKey
from domain.key_texts import SECRET_BYTES, key_text
from tests.api.asks import Route, answer_to, names_somebody, nobodys_ids, require_documented, routes
from tests.api.conftest import SECRET
from tests.api.rig import PASSWORD, WORKER_SAYS, Installation, Person

OPEN: Final = {
    "POST /v1/auth/register",
    "POST /v1/auth/login",
    *(f"GET {prefix}/health/{kind}" for prefix in ("", "/v1") for kind in ("live", "ready", "system")),
    "GET /metrics",
    "GET /schema",
    "GET /schema/openapi.json",
    "GET /schema/asyncapi.json",
    "GET /schema/assets/{name}",
    "GET /schema/{path}",
    "GET /schemas",
    "GET /schemas/{name}/{version}",
    "GET /problems",
    "GET /problems/{code}",
    "GET /evidence/{partition}/checkpoint",
    "GET /evidence/{partition}/key",
    "GET /evidence/{partition}/tile/{path}",
}
"""Those that show nobody's data, or make the tokens that others take."""
PROTECTED: Final = [route for route in routes() if str(route) not in OPEN]
every_protected = pytest.mark.parametrize("route", PROTECTED, ids=str)
INVALID: Final = 'Bearer error="invalid_token"'


def test_every_route_is_open_or_says_what_it_asks_of_an_api_key() -> None:
    undeclared = [str(route) for route in PROTECTED if route.needed not in (*SCOPES, "account")]
    assert undeclared == [], (
        "put it among the routes of a scope in api/app.py, or among OPEN if it is for everybody"
    )


def test_no_open_route_asks_for_a_scope_and_each_is_there() -> None:
    there = {str(route): route for route in routes()}
    assert OPEN - there.keys() == set()
    assert [name for name in OPEN if there[name].needed] == []


@every_protected
def test_the_walk_knows_how_to_ask_for_it(route: Route) -> None:
    path, _ = route.asked
    assert path.startswith("/v1/")


class Owner(Struct, frozen=True):
    """Somebody with one of everything, and keys of every kind."""

    person: Person
    ids: Mapping[str, str]
    keys: Mapping[str, str]

    def bearing(self, credential: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {credential}"}

    @property
    def token(self) -> str:
        return self.person.client.headers["Authorization"].removeprefix("Bearer ")

    async def events(self) -> list[str]:
        return await self.person.installation.events_of(self.person.user_id)


async def owner(installation: Installation, filename: str = "talk.wav") -> Owner:
    person = await Person.arrives(installation)
    ids = {
        "transcription_id": await person.has_transcript(filename),
        "queued_id": await person.has_requested(filename),
        "new_file_id": await person.has_file(filename),
    }
    done = (await person.client.get(f"/transcriptions/{ids['transcription_id']}")).json()
    wanted = {scope: [scope] for scope in SCOPES} | {"all": list(SCOPES), "revoked": list(SCOPES)}
    made = {name: await _key(person, scopes) for name, scopes in wanted.items()}
    await person.client.delete(f"/api-keys/{made['revoked']['id']}")
    keys = {name: key["key"] for name, key in made.items()} | {"expired": await _expired_key(person)}
    return Owner(person, ids | {"file_id": done["file_id"], "key_id": made["read"]["id"]}, keys)


async def _key(person: Person, scopes: Sequence[str]) -> Mapping[str, str]:
    answer = await person.client.post("/api-keys", json={"name": "walker", "scopes": [*scopes]})
    made: Mapping[str, str] = answer.json()
    return made


async def _expired_key(person: Person) -> str:
    """Made an hour ago for a minute."""
    text, past = key_text(bytes(SECRET_BYTES), UUID(person.user_id)), datetime.now(UTC) - timedelta(hours=1)
    command = CreateApiKey(
        key_id=uuid4(),
        user_id=UUID(person.user_id),
        name="walker",
        scopes=SCOPES,
        prefix=text[:12],
        key_sha256=sha256(text.encode()).hexdigest(),
        created_at=past,
        expires_at=past + timedelta(minutes=1),
    )
    await create_api_key(command, person.installation.parts.store, WORKER_SAYS)
    return text


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def anna(installation: Installation) -> Owner:
    return await owner(installation)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bert(installation: Installation) -> Owner:
    return await owner(installation, "berts-secret.wav")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gone(installation: Installation) -> Owner:
    """Who has asked to be erased."""
    leaving = await owner(installation)
    answer = await leaving.person.client.request("DELETE", "/auth/me", json={"password": PASSWORD})
    assert answer.status_code == 202
    return leaving


def token_of(user_id: str, secret: str = SECRET, *, algorithm: str = ALGORITHM, hours: int = 1) -> str:
    now = datetime.now(UTC)
    claims = {
        "sub": user_id,
        "iat": now,
        "exp": now + timedelta(hours=hours),
        "iss": ISSUER,
        "aud": AUDIENCE,
    }
    return jwt.encode(claims, secret, algorithm=algorithm)


FORGED: Final[Mapping[str, Callable[[Owner], str]]] = {
    "signed by somebody else": lambda victim: token_of(victim.person.user_id, "x" * 64),
    "not signed": lambda victim: token_of(victim.person.user_id, "", algorithm="none"),
    "of another algorithm": lambda victim: token_of(victim.person.user_id, algorithm="HS384"),
    "a made-up key": lambda victim: key_text(b"\1" * SECRET_BYTES, UUID(victim.person.user_id)),
    "a key with another owner": lambda _: key_text(bytes(SECRET_BYTES), uuid4()),
    "a cut off key": lambda victim: victim.keys["all"][:-1],
    "of nobody": lambda _: token_of(str(uuid4())),
}
EXPIRED: Final[Mapping[str, Callable[[Owner], str]]] = {
    "token": lambda victim: token_of(victim.person.user_id, hours=-1),
    "key": lambda victim: victim.keys["expired"],
}


async def refused(route: Route, victim: Owner, headers: Mapping[str, str]) -> tuple[int, Any, str]:
    """What a stranger hears who knows all ids, and that it left no trace."""
    before = await victim.events()
    answer = await answer_to(victim.person.installation.app, route, victim.ids, headers)
    assert await victim.events() == before
    require_documented(route, answer)
    challenge = answer.headers.get("WWW-Authenticate", "")
    return answer.status_code, _code_of(answer), challenge


def _code_of(answer: httpx.Response) -> str | None:
    """Of a problem, or of what OpenAI's clients take for one; None where only the beginning was read."""
    if not answer.content:
        return None
    body = answer.json()
    code: str = body["code"] if "code" in body else body["error"]["code"]
    return code


@every_protected
async def test_nobody_comes_in_without_a_token(route: Route, anna: Owner) -> None:
    status, _, challenge = await refused(route, anna, {})
    assert (status, challenge) == (401, "Bearer")


@every_protected
@pytest.mark.parametrize("kind", FORGED)
async def test_nobody_comes_in_with_a_forged_one(route: Route, anna: Owner, kind: str) -> None:
    status, _, challenge = await refused(route, anna, anna.bearing(FORGED[kind](anna)))
    assert (status, challenge) == (401, INVALID)


@every_protected
@pytest.mark.parametrize("kind", EXPIRED)
async def test_nobody_comes_in_with_one_that_has_expired(route: Route, anna: Owner, kind: str) -> None:
    status, _, challenge = await refused(route, anna, anna.bearing(EXPIRED[kind](anna)))
    assert (status, challenge) == (401, INVALID)


@every_protected
async def test_nobody_comes_in_with_a_revoked_key(route: Route, anna: Owner) -> None:
    status, _, challenge = await refused(route, anna, anna.bearing(anna.keys["revoked"]))
    assert (status, challenge) == (401, INVALID)


@every_protected
async def test_no_key_does_what_its_scopes_do_not_say(route: Route, anna: Owner) -> None:
    key = {"read": "write", "write": "read", "account": "all"}[str(route.needed)]
    status, code, challenge = await refused(route, anna, anna.bearing(anna.keys[key]))
    assert (status, challenge) == (403, f'Bearer error="insufficient_scope", scope="{route.needed}"')
    assert code in ("insufficient_scope", None)


@every_protected
@pytest.mark.parametrize("credential", ["token", "key"])
async def test_nobody_comes_in_who_is_being_erased(route: Route, gone: Owner, credential: str) -> None:
    shown = gone.token if credential == "token" else gone.keys["all"]
    if credential == "key" and route.needed == "account":
        shown = gone.token
    status, code, _ = await refused(route, gone, gone.bearing(shown))
    assert (status, code) in [(410, "person_erased"), (410, None)]


@pytest.mark.parametrize("route", [route for route in PROTECTED if names_somebody(route)], ids=str)
async def test_nobody_gets_at_what_is_anothers(route: Route, anna: Owner, bert: Owner) -> None:
    before = await bert.events()
    app = anna.person.installation.app
    for shown in (anna.token, *([anna.keys["all"]] if route.needed != "account" else [])):
        answer = await answer_to(app, route, bert.ids, anna.bearing(shown))
        assert answer.status_code in (403, 404)
        assert b"secret" not in answer.content
        assert b"Hello" not in answer.content
        nowhere = await answer_to(app, route, nobodys_ids(), anna.bearing(shown))
        assert nowhere.status_code == 404
    assert await bert.events() == before


@every_protected
async def test_the_owner_comes_in_with_a_token_and_with_a_key_that_has_the_scope(
    route: Route, installation: Installation, anna: Owner
) -> None:
    """So that the walk is refused for what it says, and not for a request that nobody would be answered."""
    shown = ["token"] if route.needed == "account" else ["token", str(route.needed)]
    for credential in shown:
        who = anna if route.method == "GET" else await owner(installation)
        bearing = who.bearing(who.token if credential == "token" else who.keys[credential])
        answer = await answer_to(installation.app, route, who.ids, bearing)
        assert answer.status_code == route.asked[1].status, answer.text
        require_documented(route, answer)
