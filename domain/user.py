"""Users: somebody registered with an e-mail address, and may ask to be erased."""

from typing import TypeAlias, assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.decider import Decider
from domain.errors import ErasureNotRequested, PersonErased
from domain.moment import Moment
from domain.personal import PersonalText


class UserRegistered(Struct, frozen=True, kw_only=True):
    user_id: UUID
    email: PersonalText
    registered_at: Moment


class UserErasureRequested(Struct, frozen=True, kw_only=True):
    """From here on nothing of the user is shown, and nothing is taken from them."""

    user_id: UUID
    requested_at: Moment


class UserErased(Struct, frozen=True, kw_only=True):
    """Their key, objects, credentials and rows are gone."""

    user_id: UUID
    erased_at: Moment


UserEvent: TypeAlias = UserRegistered | UserErasureRequested | UserErased


class RegisterUser(Struct, frozen=True, kw_only=True):
    user_id: UUID
    email: PersonalText
    registered_at: Moment


class RequestErasure(Struct, frozen=True, kw_only=True):
    user_id: UUID
    requested_at: Moment


class RecordErasure(Struct, frozen=True, kw_only=True):
    """Said once everything is gone."""

    user_id: UUID
    erased_at: Moment


UserCommand: TypeAlias = RegisterUser | RequestErasure | RecordErasure


class User(Struct, frozen=True, kw_only=True):
    user_id: UUID | None = None
    email: PersonalText = ""
    erasure_requested: bool = False
    erased: bool = False


def decide(command: UserCommand, state: User) -> list[UserEvent]:
    match command:
        case RegisterUser() if state.user_id is not None:
            return []
        case RegisterUser():
            return [
                UserRegistered(
                    user_id=command.user_id,
                    email=command.email,
                    registered_at=command.registered_at,
                )
            ]
        case RequestErasure() if state.erasure_requested:
            return []
        case RequestErasure():
            return [UserErasureRequested(user_id=command.user_id, requested_at=command.requested_at)]
        case RecordErasure() if state.erased:
            return []
        case RecordErasure() if not state.erasure_requested:
            raise ErasureNotRequested
        case RecordErasure():
            return [UserErased(user_id=command.user_id, erased_at=command.erased_at)]
        case _:
            assert_never(command)


def require_staying(state: User) -> None:
    """Whatever else a command asks for, who has asked to be erased gets nothing. Raises PersonErased."""
    if state.erasure_requested:
        raise PersonErased


def evolve(state: User, event: UserEvent) -> User:
    match event:
        case UserRegistered():
            return replace(state, user_id=event.user_id, email=event.email)
        case UserErasureRequested():
            return replace(state, erasure_requested=True)
        case UserErased():
            return replace(state, email="", erased=True)
        case _:
            assert_never(event)


USER: Decider[UserCommand, User, UserEvent] = Decider("user", User(), decide, evolve)
