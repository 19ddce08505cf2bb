"""API keys: what programs show in the place of a token.

All keys of a user are one stream: how many there may be is a rule about all of them, and whoever is shown one reads one stream.
"""

from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, assert_never, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.decider import Decider
from domain.errors import ApiKeyNotFound, InvalidField, TooManyApiKeys
from domain.moment import Moment
from domain.personal import PersonalText

KEYS_MAX: Final = 25
"""Of one user, without those that have expired."""
NAME_CHARACTERS_MAX: Final = 100

KeyScope: TypeAlias = Literal["read", "write"]
"""What a key may: see what is its user's, and change it. Keys, passwords and the account itself are for nobody but the user."""
SCOPES: Final[tuple[KeyScope, ...]] = get_args(KeyScope)


class ApiKeyCreated(Struct, frozen=True, kw_only=True):
    """`prefix` is how the key begins, for people to know it by. Of 256 random bits the digest gives nothing away."""

    key_id: UUID
    user_id: UUID
    name: PersonalText
    scopes: tuple[KeyScope, ...]
    prefix: str
    key_sha256: str
    created_at: Moment
    expires_at: Moment | None = None


class ApiKeyRevoked(Struct, frozen=True, kw_only=True):
    key_id: UUID
    user_id: UUID
    revoked_at: Moment


ApiKeyEvent: TypeAlias = ApiKeyCreated | ApiKeyRevoked


class CreateApiKey(Struct, frozen=True, kw_only=True):
    key_id: UUID
    user_id: UUID
    name: PersonalText
    scopes: tuple[KeyScope, ...]
    prefix: str
    key_sha256: str
    created_at: Moment
    expires_at: Moment | None = None


class RevokeApiKey(Struct, frozen=True, kw_only=True):
    key_id: UUID
    user_id: UUID
    revoked_at: Moment


class RevokeAllApiKeys(Struct, frozen=True, kw_only=True):
    """Of somebody who leaves."""

    user_id: UUID
    revoked_at: Moment


ApiKeyCommand: TypeAlias = CreateApiKey | RevokeApiKey | RevokeAllApiKeys


class ApiKey(Struct, frozen=True, kw_only=True):
    key_id: UUID
    name: PersonalText
    scopes: tuple[KeyScope, ...]
    prefix: str
    key_sha256: str
    created_at: Moment
    expires_at: Moment | None = None

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class ApiKeys(Struct, frozen=True, kw_only=True):
    """Those that were not revoked, in the order of their making. One that has expired stays until the next is made."""

    keys: dict[UUID, ApiKey] = {}

    def unexpired(self, now: datetime) -> dict[UUID, ApiKey]:
        return {key_id: key for key_id, key in self.keys.items() if not key.is_expired(now)}

    def with_digest(self, key_sha256: str) -> ApiKey | None:
        """How long it takes tells nothing: who guesses keys cannot choose how their digests begin."""
        return next((key for key in self.keys.values() if key.key_sha256 == key_sha256), None)


def decide(command: ApiKeyCommand, state: ApiKeys) -> list[ApiKeyEvent]:
    match command:
        case CreateApiKey() if command.key_id in state.keys:
            return []
        case CreateApiKey() if len(state.unexpired(command.created_at)) >= KEYS_MAX:
            raise TooManyApiKeys(KEYS_MAX)
        case CreateApiKey():
            return [_created(command)]
        case RevokeApiKey() if command.key_id not in state.keys:
            raise ApiKeyNotFound(command.key_id)
        case RevokeApiKey():
            return [_revoked(command, command.key_id)]
        case RevokeAllApiKeys():
            return [_revoked(command, key_id) for key_id in state.keys]
        case _:
            assert_never(command)


def _created(command: CreateApiKey) -> ApiKeyCreated:
    return ApiKeyCreated(
        key_id=command.key_id,
        user_id=command.user_id,
        name=command.name,
        scopes=command.scopes,
        prefix=command.prefix,
        key_sha256=command.key_sha256,
        created_at=command.created_at,
        expires_at=command.expires_at,
    )


def _revoked(command: RevokeApiKey | RevokeAllApiKeys, key_id: UUID) -> ApiKeyRevoked:
    return ApiKeyRevoked(key_id=key_id, user_id=command.user_id, revoked_at=command.revoked_at)


def evolve(state: ApiKeys, event: ApiKeyEvent) -> ApiKeys:
    match event:
        case ApiKeyCreated():
            return replace(state, keys=state.unexpired(event.created_at) | {event.key_id: _key(event)})
        case ApiKeyRevoked():
            return replace(state, keys={id_: key for id_, key in state.keys.items() if id_ != event.key_id})
        case _:
            assert_never(event)


def _key(event: ApiKeyCreated) -> ApiKey:
    return ApiKey(
        key_id=event.key_id,
        name=event.name,
        scopes=event.scopes,
        prefix=event.prefix,
        key_sha256=event.key_sha256,
        created_at=event.created_at,
        expires_at=event.expires_at,
    )


API_KEYS: Decider[ApiKeyCommand, ApiKeys, ApiKeyEvent] = Decider("api_keys", ApiKeys(), decide, evolve)


def name_of(text: str) -> str:
    """As it is kept and shown. Raises InvalidField."""
    name = text.strip()
    if not name:
        raise InvalidField("name", "is required: say what the key is for")
    if len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
        raise InvalidField("name", f"may have {NAME_CHARACTERS_MAX} characters, all of them printable")
    return name


def scopes_of(asked: tuple[KeyScope, ...]) -> tuple[KeyScope, ...]:
    """Each once, in one order. Raises InvalidField."""
    if not asked:
        raise InvalidField("scopes", f"is empty: send at least one of {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in asked)


def end_of(expires_at: datetime | None, now: datetime) -> datetime | None:
    """As it is kept: in UTC, so that whoever reads it can. Raises InvalidField."""
    if expires_at is None:
        return None
    try:
        end = expires_at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidField(
            "expires_at", "is in no year that is counted: leave it out for a key without end"
        ) from None
    if end <= now:
        raise InvalidField("expires_at", "has passed: send a time to come, or leave it out")
    return end
