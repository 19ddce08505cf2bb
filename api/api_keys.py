"""API keys: made and shown once, listed without their secret, revoked."""

from datetime import datetime
from hashlib import sha256
from secrets import token_bytes
from uuid import UUID, uuid4

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.consistency import settle
from api.errors import problems
from api.parts import Parts
from api.requests import AuthenticatedRequest, Caller
from commands.create_api_key import create_api_key
from commands.execution import load
from commands.revoke_api_key import revoke_api_key
from domain.api_keys import (
    API_KEYS,
    ApiKey,
    CreateApiKey,
    RevokeApiKey,
    end_of,
    name_of,
    scopes_of,
)
from domain.key_texts import SECRET_BYTES, SHOWN_CHARACTERS, key_text
from domain.user import USER, require_staying
from schemas.bodies import ApiKeyBody, ApiKeyRequest, NewApiKey


@post("/api-keys", responses=problems(400, 401, 403, 409, 410, 429, 503), tags=["API keys"])
async def create(
    request: AuthenticatedRequest,
    data: JSONBody[ApiKeyRequest],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> NewApiKey:
    """Makes a key for a program, to send as `Authorization: Bearer <key>`. It is shown here and never again."""
    source = parts.proxies.source_of(request.scope)
    await parts.attempts.require_allowance("create API key", str(caller.user_id), source)
    key = key_text(token_bytes(SECRET_BYTES), caller.user_id)
    command = _command(data, key, caller.user_id, parts.clock.now())
    address = await create_api_key(command, parts.store, caller.provenance)
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)
    return NewApiKey(
        key=key,
        id=command.key_id,
        name=command.name,
        prefix=command.prefix,
        scopes=command.scopes,
        created_at=command.created_at,
        expires_at=command.expires_at,
        last_used_at=None,
    )


def _command(data: ApiKeyRequest, key: str, user_id: UUID, now: datetime) -> CreateApiKey:
    """Raises InvalidField."""
    return CreateApiKey(
        key_id=uuid4(),
        user_id=user_id,
        name=name_of(data.name),
        scopes=scopes_of(data.scopes),
        prefix=key[:SHOWN_CHARACTERS],
        key_sha256=sha256(key.encode()).hexdigest(),
        created_at=now,
        expires_at=end_of(data.expires_at, now),
    )


@get("/api-keys", responses=problems(401, 403, 410, 503), tags=["API keys"])
async def list_keys(caller: NamedDependency[Caller], parts: NamedDependency[Parts]) -> list[ApiKeyBody]:
    """Your keys, oldest first, without what is secret in them. It is never behind what you did."""
    require_staying((await load(parts.store, USER, caller.user_id, caller.user_id)).state)
    keys = (await load(parts.store, API_KEYS, caller.user_id, caller.user_id)).state.keys
    last_uses = await parts.key_uses.last_uses(caller.user_id)
    return [_body(key, last_uses.get(key_id)) for key_id, key in keys.items()]


def _body(key: ApiKey, last_used_at: datetime | None) -> ApiKeyBody:
    return ApiKeyBody(
        id=key.key_id,
        name=key.name,
        prefix=key.prefix,
        scopes=key.scopes,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=last_used_at,
    )


@delete("/api-keys/{key_id:str}", responses=problems(400, 401, 403, 404, 410, 503), tags=["API keys"])
async def revoke(
    request: AuthenticatedRequest,
    key_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> None:
    """Revokes a key: from the answer on nothing accepts it, but that another API process may take a second."""
    command = RevokeApiKey(key_id=key_id, user_id=caller.user_id, revoked_at=parts.clock.now())
    address = await revoke_api_key(command, parts.store, caller.provenance)
    parts.known_keys.forget(caller.user_id)
    await parts.key_uses.forget(key_id)
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)
