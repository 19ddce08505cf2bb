"""A user's quota of minutes: granted = available + reserved + debited, and available is never negative."""

from math import ceil
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.decider import Decider
from domain.errors import QuotaExceeded
from domain.moment import Moment

SECONDS_PER_MINUTE: Final = 60


class QuotaGranted(Struct, frozen=True, kw_only=True):
    user_id: UUID
    grant_id: UUID
    minutes: int
    granted_at: Moment


class QuotaReserved(Struct, frozen=True, kw_only=True):
    user_id: UUID
    transcription_id: UUID
    minutes: int
    reserved_at: Moment


class QuotaDebited(Struct, frozen=True, kw_only=True):
    user_id: UUID
    transcription_id: UUID
    minutes: int
    debited_at: Moment


class QuotaReleased(Struct, frozen=True, kw_only=True):
    user_id: UUID
    transcription_id: UUID
    minutes: int
    released_at: Moment


QuotaEvent: TypeAlias = QuotaGranted | QuotaReserved | QuotaDebited | QuotaReleased


class GrantQuota(Struct, frozen=True, kw_only=True):
    user_id: UUID
    grant_id: UUID
    minutes: int
    granted_at: Moment


class ReserveQuota(Struct, frozen=True, kw_only=True):
    user_id: UUID
    transcription_id: UUID
    minutes: int
    reserved_at: Moment


class DebitQuota(Struct, frozen=True, kw_only=True):
    """Takes so many of the reserved minutes (None: all of them), and gives the rest back."""

    user_id: UUID
    transcription_id: UUID
    minutes: int | None = None
    debited_at: Moment


class ReleaseQuota(Struct, frozen=True, kw_only=True):
    user_id: UUID
    transcription_id: UUID
    released_at: Moment


QuotaCommand: TypeAlias = GrantQuota | ReserveQuota | DebitQuota | ReleaseQuota


class Quota(Struct, frozen=True, kw_only=True):
    """Minutes of one user; `reserved` maps a running transcription to the minutes held for it."""

    minutes_granted: int = 0
    minutes_debited: int = 0
    reserved: dict[UUID, int] = {}
    grants: frozenset[UUID] = frozenset()

    @property
    def minutes_reserved(self) -> int:
        return sum(self.reserved.values())

    @property
    def minutes_available(self) -> int:
        return self.minutes_granted - self.minutes_debited - self.minutes_reserved


def minutes_for(duration_seconds: float) -> int:
    """Whole minutes a recording costs: rounded up, and at least one."""
    return max(1, ceil(duration_seconds / SECONDS_PER_MINUTE))


def decide(command: QuotaCommand, state: Quota) -> list[QuotaEvent]:
    match command:
        case GrantQuota():
            return [] if command.grant_id in state.grants else [_granted(command)]
        case ReserveQuota():
            return _reserve(command, state)
        case DebitQuota() if command.transcription_id not in state.reserved:
            return []  # Settled before: a repeated completion must not debit twice.
        case DebitQuota():
            return _debit(command, state.reserved[command.transcription_id])
        case ReleaseQuota() if command.transcription_id not in state.reserved:
            return []
        case ReleaseQuota():
            return [
                QuotaReleased(
                    user_id=command.user_id,
                    transcription_id=command.transcription_id,
                    minutes=state.reserved[command.transcription_id],
                    released_at=command.released_at,
                )
            ]
        case _:
            assert_never(command)


def _granted(command: GrantQuota) -> QuotaGranted:
    return QuotaGranted(
        user_id=command.user_id,
        grant_id=command.grant_id,
        minutes=command.minutes,
        granted_at=command.granted_at,
    )


def _reserve(command: ReserveQuota, state: Quota) -> list[QuotaEvent]:
    if command.transcription_id in state.reserved:
        return []
    if command.minutes > state.minutes_available:
        raise QuotaExceeded(command.minutes, state.minutes_available)
    return [
        QuotaReserved(
            user_id=command.user_id,
            transcription_id=command.transcription_id,
            minutes=command.minutes,
            reserved_at=command.reserved_at,
        )
    ]


def _debit(command: DebitQuota, reserved: int) -> list[QuotaEvent]:
    """Never more than was reserved: nobody agreed to that."""
    debited = reserved if command.minutes is None else max(0, min(command.minutes, reserved))
    events: list[QuotaEvent] = [
        QuotaDebited(
            user_id=command.user_id,
            transcription_id=command.transcription_id,
            minutes=debited,
            debited_at=command.debited_at,
        )
    ]
    if debited < reserved:
        events.append(
            QuotaReleased(
                user_id=command.user_id,
                transcription_id=command.transcription_id,
                minutes=reserved - debited,
                released_at=command.debited_at,
            )
        )
    return events


def evolve(state: Quota, event: QuotaEvent) -> Quota:
    match event:
        case QuotaGranted():
            return replace(
                state,
                minutes_granted=state.minutes_granted + event.minutes,
                grants=state.grants | {event.grant_id},
            )
        case QuotaReserved():
            return replace(state, reserved={**state.reserved, event.transcription_id: event.minutes})
        case QuotaDebited():
            return replace(
                state,
                minutes_debited=state.minutes_debited + event.minutes,
                reserved=_less(state.reserved, event.transcription_id, event.minutes),
            )
        case QuotaReleased():
            return replace(state, reserved=_less(state.reserved, event.transcription_id, event.minutes))
        case _:
            assert_never(event)


def _less(reserved: dict[UUID, int], transcription_id: UUID, minutes: int) -> dict[UUID, int]:
    """A reservation is gone once nothing of it is left."""
    left = reserved.get(transcription_id, 0) - minutes
    others = {key: held for key, held in reserved.items() if key != transcription_id}
    return {**others, transcription_id: left} if left > 0 else others


QUOTA: Decider[QuotaCommand, Quota, QuotaEvent] = Decider("quota", Quota(), decide, evolve)
