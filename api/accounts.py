"""Registering, logging in, who one is, and leaving for good."""

from uuid import UUID, uuid4

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from api.consistency import settle
from api.errors import problems
from api.idempotency import IdempotentOperation, idempotent
from api.parts import Parts
from api.requests import AnonymousRequest, AuthenticatedRequest, Caller, provenance_of
from commands.execution import load
from commands.register_user import register_user
from commands.request_erasure import request_erasure
from domain.credentials import email_of, require_strong
from domain.errors import InvalidCredentials, InvalidEmail, InvalidField, NotFound, PersonErased
from domain.quota import QUOTA
from domain.user import USER, RegisterUser, RequestErasure, require_staying
from projections import users
from schemas.bodies import Credentials, ErasureRequest, LoggedIn, Me, Message, UserBody


class UserNotFound(NotFound):
    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("User not found: register first")


@post(
    "/auth/register",
    operation_class=IdempotentOperation,
    middleware=[idempotent(is_open=True)],
    responses=problems(400, 409, 422, 429, 503),
)
async def register(
    request: AnonymousRequest, data: JSONBody[Credentials], parts: NamedDependency[Parts]
) -> Message:
    """Registers a user with the free minutes."""
    _require_given(data)
    email = email_of(data.email)
    await parts.attempts.require_allowance("register", email, parts.proxies.source_of(request.scope))
    require_strong(data.password)
    command = RegisterUser(user_id=uuid4(), email=email, registered_at=parts.clock.now())
    address = await register_user(
        command,
        await parts.passwords.hash(data.password),
        parts.settings.free_minutes,
        parts.credentials,
        provenance_of(request, command.user_id),
    )
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)
    return Message(message="User registered successfully")


@post("/auth/login", status_code=200, responses=problems(400, 401, 410, 429, 503))
async def login(
    request: AnonymousRequest, data: JSONBody[Credentials], parts: NamedDependency[Parts]
) -> LoggedIn:
    """Answers a token to send as `Authorization: Bearer <token>`."""
    _require_given(data)
    email, source = _possible_email(data.email), parts.proxies.source_of(request.scope)
    await parts.attempts.require_allowance("login", email or "", source)
    stored = await parts.credentials.find(email) if email else None
    await parts.attempts.require_login_allowance(email or "", stored.user_id if stored else None, source)
    matches = await parts.passwords.verify(data.password, stored.password_hash if stored else None)
    if stored is None or not matches:
        raise InvalidCredentials
    if stored.leaves:
        raise PersonErased
    await parts.attempts.succeeded(stored.user_id, source)
    return LoggedIn(token=parts.tokens.issue(stored.user_id), user=await _user(parts, stored.user_id))


@get("/auth/me", responses=problems(401, 404, 410), tags=["accounts"])
async def me(caller: NamedDependency[Caller], parts: NamedDependency[Parts]) -> Me:
    """Who the token belongs to."""
    return Me(user=await _user(parts, caller.user_id))


@delete("/auth/me", status_code=202, responses=problems(400, 401, 410, 429, 503), tags=["accounts"])
async def erase_me(
    request: AuthenticatedRequest,
    data: JSONBody[ErasureRequest],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Message:
    """Erases you and all that is yours. From the answer on nothing of it is shown; then it is deleted, for ever."""
    await _require_password(request, data.password, caller.user_id, parts)
    command = RequestErasure(user_id=caller.user_id, requested_at=parts.clock.now())
    address = await request_erasure(command, parts.credentials, parts.store, caller.provenance)
    parts.known_users.forget(caller.user_id)
    if address is None:
        raise PersonErased
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)
    return Message(message="Your account and all that is in it are being erased")


async def _require_password(
    request: AuthenticatedRequest, password: str, user_id: UUID, parts: Parts
) -> None:
    """Counted as a login is: who has somebody's token guesses no password with it. Raises InvalidCredentials."""
    if not password:
        raise InvalidField("password", "is required")
    own = await parts.credentials.find_of(user_id)
    if own is None:
        raise PersonErased
    source = parts.proxies.source_of(request.scope)
    await parts.attempts.require_allowance("login", own.email, source)
    await parts.attempts.require_login_allowance(own.email, user_id, source)
    if not await parts.passwords.verify(password, own.password_hash):
        raise InvalidCredentials


def _require_given(data: Credentials) -> None:
    for field in ("email", "password"):
        if not getattr(data, field):
            raise InvalidField(field, "is required")


def _possible_email(text: str) -> str | None:
    """None for what can be nobody's address: that is a wrong one, like any other."""
    try:
        return email_of(text)
    except InvalidEmail:
        return None


async def _user(parts: Parts, user_id: UUID) -> UserBody:
    async with parts.reading() as connection:
        row = await users.find(connection, user_id)
    if row is None:
        return await _user_of_log(parts, user_id)
    if row.leaves:
        raise PersonErased
    return UserBody(id=row.id, email=row.email, quota_minutes=row.quota_minutes)


async def _user_of_log(parts: Parts, user_id: UUID) -> UserBody:
    """Somebody who has just registered can log in, however late the read models are. Raises UserNotFound or PersonErased."""
    user = (await load(parts.store, USER, user_id, user_id)).state
    require_staying(user)
    if user.user_id is None:
        raise UserNotFound
    minutes = (await load(parts.store, QUOTA, user_id, user_id)).state.minutes_available
    return UserBody(id=user_id, email=user.email, quota_minutes=minutes)
