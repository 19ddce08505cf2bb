"""Whether a crowd of commands of one user was answered with exactly what the user's quota holds."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.quota import QUOTA
from schemas.events import opened
from schemas.sealing import BLIND
from tests.chaos.ledger import Burst
from tests.chaos.oracle import Check, check, records_of
from tests.end_to_end.story import Log


def check_bursts(bursts: Sequence[Burst], log: Log) -> Iterator[Check]:
    """Each command of a burst asks for one minute."""
    commands = [command for burst in bursts for command in burst.commands]
    yield check(
        "of commands that came all at once each was accepted, refused or put off",
        len(commands),
        (f"{each}" for each in commands if each.status not in {None, 202, 402, 409, 503}),
    )
    held = {owner: _minutes_by_seq(owner, log) for owner in {burst.owner_id for burst in bursts}}
    calm = [burst for burst in bursts if burst.calm]
    yield check(
        "in calm, exactly what the quota held was accepted, and the rest refused",
        sum(len(burst.commands) for burst in calm),
        (problem for burst in calm if (problem := _inexact(burst, held[burst.owner_id], log))),
    )
    refused = [number for number, burst in enumerate(bursts) if _said(burst)[402]]
    yield check(
        "nobody was refused for lack of minutes while there were some",
        len(refused),
        (
            f"{bursts[number].owner_id}, from {bursts[number].known_seq} on: {_said(bursts[number])}"
            for number in refused
            if 0 not in _minutes_meanwhile(number, bursts, held[bursts[number].owner_id], log)
        ),
    )


Minutes = Mapping[int, int]
"""What a user had left after each event of its quota, by `seq`, in order."""


def _minutes_by_seq(owner_id: UUID, log: Log) -> Minutes:
    quota, minutes = QUOTA.initial, {}
    for record in records_of(log):
        if record.owner_id == owner_id and record.type.startswith("Quota"):
            event: Any = opened(record, BLIND)
            quota = QUOTA.evolve(quota, event)
            minutes[record.seq] = quota.minutes_available
    return minutes


def _inexact(burst: Burst, minutes: Minutes, log: Log) -> str | None:
    """How the answers differ from as many 202s as there were minutes, and refusals for the rest.

    Who was put off came back and is counted by the last answer, and where the first one had been done by that.
    """
    before = max((seq for seq in minutes if seq <= burst.known_seq), default=None)
    accepted = min(minutes[before] if before else 0, burst.file_count)
    said = _said(burst)
    refused = said[402] + said[409] - (done_unsaid := _done_unsaid(burst, log))
    if said[202] + done_unsaid == accepted and refused == burst.command_count - accepted:
        return None
    return f"{burst.owner_id}: {said} instead of {accepted} accepted and the rest refused"


def _done_unsaid(burst: Burst, log: Log) -> int:
    """How many were done although the answer left that open; the one that came back was refused for it."""
    put_off = {str(each.request_id) for each in burst.commands if each.status == 503}
    return len({record.request_id for record in records_of(log)} & put_off)


def _minutes_meanwhile(number: int, bursts: Sequence[Burst], minutes: Minutes, log: Log) -> list[int]:
    """At every moment from the beginning of a burst until the first effect of one that came after it."""
    known_seq = bursts[number].known_seq
    began = max((seq for seq in minutes if seq <= known_seq), default=0)
    after = {str(each.request_id) for burst in bursts[number + 1 :] for each in burst.commands}
    ended = min(
        (
            record.seq
            for record in records_of(log)
            if record.seq in minutes
            and record.request_id in after
            and record.owner_id == bursts[number].owner_id
        ),
        default=None,
    )
    return [left for seq, left in minutes.items() if seq >= began and (ended is None or seq < ended)]


def _said(burst: Burst) -> Counter[int | None]:
    return Counter(command.status for command in burst.commands)
