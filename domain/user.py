"""Users: somebody registered with an e-mail address."""

from typing import TypeAlias, assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.decider import Decider
from domain.moment import Moment
from domain.personal import PersonalText


class UserRegistered(Struct, frozen=True, kw_only=True):
    user_id: UUID
    email: PersonalText
    registered_at: Moment


UserEvent: TypeAlias = UserRegistered


class RegisterUser(Struct, frozen=True, kw_only=True):
    user_id: UUID
    email: PersonalText
    registered_at: Moment


UserCommand: TypeAlias = RegisterUser


class User(Struct, frozen=True, kw_only=True):
    user_id: UUID | None = None
    email: PersonalText = ""


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
        case _:
            assert_never(command)


def evolve(state: User, event: UserEvent) -> User:
    match event:
        case UserRegistered():
            return replace(state, user_id=event.user_id, email=event.email)
        case _:
            assert_never(event)


USER: Decider[UserCommand, User, UserEvent] = Decider("user", User(), decide, evolve)
