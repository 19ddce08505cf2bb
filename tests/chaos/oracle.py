"""Whether the log, the topic, the read models, the objects and the answers to clients fit together."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from domain.log import LogRecord
from domain.ports import ObjectMissing, ObjectStore
from domain.quota import QUOTA, Quota
from infrastructure.settings import Settings
from schemas.events import opened
from schemas.sealing import BLIND
from tests.asyncapi import breaches_in
from tests.chaos.ledger import EVENTS_OF, Command, Ledger
from tests.end_to_end.database import Database
from tests.end_to_end.story import (
    Log,
    assert_gap_free,
    assert_quota_adds_up,
    assert_read_models_equal,
)

SHOWN_MAX: Final = 10
"""Violations of one check that are kept."""


class Check(Struct, frozen=True, kw_only=True):
    """`count` says how many things were looked at: a check that looked at nothing proves nothing."""

    name: str
    count: int
    violations: list[str]


def check(name: str, count: int, violations: Iterable[str]) -> Check:
    return Check(name=name, count=count, violations=list(violations)[:SHOWN_MAX])


def records_of(log: Log) -> Iterator[LogRecord]:
    for records in log.values():
        yield from records


def check_answers(ledger: Ledger, log: Log) -> Iterator[Check]:
    """Each request carried an id of its own, which the log keeps beside the events that it caused."""
    caused: dict[str, list[LogRecord]] = defaultdict(list)
    for record in records_of(log):
        if record.request_id is not None:
            caused[record.request_id].append(record)
    by_outcome: dict[str, list[Command]] = defaultdict(list)
    for command in ledger.commands:
        by_outcome[command.outcome].append(command)

    def wrong(outcome: str, fits: Callable[[Command, list[LogRecord]], bool]) -> Check:
        commands = by_outcome[outcome]
        return check(
            NAMES[outcome],
            len(commands),
            (
                f"{each}: in the log {[(str(record.address), record.type) for record in records]}"
                for each in commands
                if not fits(each, records := caused[str(each.request_id)])
            ),
        )

    yield wrong("done", _is_there)
    yield wrong("refused", lambda _, records: not records)
    yield wrong("nothing to do", lambda _, records: not records)
    yield wrong("unknown", lambda command, records: not records or _is_whole(command, records))


NAMES: Final = {
    "done": "a command that was answered 2xx is in the log once, where its token says",
    "refused": "a command that was refused is not in the log",
    "nothing to do": "a command that changed nothing is not in the log",
    "unknown": "a command without an answer is in the log wholly or not at all, and once at most",
}


def _is_whole(command: Command, records: list[LogRecord]) -> bool:
    owners = {record.owner_id for record in records}
    return (
        tuple(sorted(record.type for record in records)) == EVENTS_OF[command.kind]
        and len(owners) == 1
        and {record.actor for record in records} == {f"user:{owner}" for owner in owners}
    )


def _is_there(command: Command, records: list[LogRecord]) -> bool:
    last = max((record.address for record in records), default=None)
    named = command.subject is None or any(command.subject in record.stream_id for record in records)
    return named and str(last) == command.token and _is_whole(command, records)


def check_topic(topic: Log, log: Log, *, forgetful: bool) -> Check:
    """A forgetful broker lost what it had acknowledged and got it again: `topic` is then without repetitions."""
    name = "the topic, read committed, is the log: each event once, in order, byte for byte"
    if forgetful:
        name = "the topic is the log, for a consumer that passes by what it has seen (this broker forgets)"
    return check(name, sum(map(len, topic.values())), _differences(topic, log))


def _differences(topic: Log, log: Log) -> Iterator[str]:
    for partition in sorted(topic.keys() | log.keys()):
        sent, stored = topic.get(partition, []), log.get(partition, [])
        if len(sent) != len(stored):
            yield f"partition {partition}: {len(sent)} in the topic, {len(stored)} in the log"
        different = (pair for pair in zip(sent, stored, strict=False) if pair[0] != pair[1])
        for first, second in different:
            yield f"partition {partition}: {first} in the topic, {second} in the log"
            break


async def check_contract(settings: Settings) -> Check:
    count, breaches = await breaches_in(settings)
    return check("every message of every topic is as the AsyncAPI document promises", count, breaches)


async def check_story(database: Database, log: Log, settings: Settings) -> list[Check]:
    """What the tests of the whole system ask for as well."""
    events = sum(map(len, log.values()))
    users = sum(record.type == "UserRegistered" for record in records_of(log))
    gap_free = _asserted("no gap, no duplicate and no inversion", events, lambda: assert_gap_free(log))
    quota = _asserted("every user's quota adds up", users, lambda: assert_quota_adds_up(log))
    rows = await database.fetchval(ROWS)
    try:
        await assert_read_models_equal(database, log, settings)
    except AssertionError as problem:
        violations = [str(problem)[:1000]]
    else:
        violations = []
    return [gap_free, quota, check("the read models are a fold of the log from nothing", rows, violations)]


ROWS = """
select (select count(*) from read.users) + (select count(*) from read.quota)
    + (select count(*) from read.files) + (select count(*) from read.transcriptions)
"""


def _asserted(name: str, count: int, assertion: Callable[[], None]) -> Check:
    try:
        assertion()
    except AssertionError as problem:
        return check(name, count, [str(problem)[:1000]])
    return check(name, count, [])


def check_settlement(log: Log) -> Iterator[Check]:
    """Per transcription, and per user at every moment."""
    counts: dict[UUID, Counter[str]] = defaultdict(Counter)
    minutes: dict[UUID, Counter[str]] = defaultdict(Counter)
    quotas: dict[UUID, Quota] = defaultdict(lambda: QUOTA.initial)
    overdrawn = []
    for record in records_of(log):
        event: Any = opened(record, BLIND)
        if hasattr(event, "transcription_id"):
            counts[event.transcription_id][record.type] += 1
        if record.type.startswith("Quota"):
            if hasattr(event, "transcription_id"):
                minutes[event.transcription_id][record.type] += event.minutes
            quota = quotas[record.owner_id] = QUOTA.evolve(quotas[record.owner_id], event)
            if min(quota.minutes_available, quota.minutes_reserved, quota.minutes_debited) < 0:
                overdrawn.append(f"{record.address}: {quota}")
    completed = {each: count for each, count in counts.items() if count["TranscriptionCompleted"]}
    yield check(
        "a completed transcription has one completion and one debit",
        len(completed),
        (f"{each}: {dict(count)}" for each, count in completed.items() if not _is_paid_once(count)),
    )
    yield check(
        "every request is settled: completed, failed or cancelled, and its minutes debited or released",
        len(counts),
        (f"{each}: {dict(count)}" for each, count in counts.items() if not _is_settled(count)),
    )
    yield check(
        "every minute that was reserved is debited or released",
        len(minutes),
        (f"{each}: {dict(count)}" for each, count in minutes.items() if not _adds_up(count)),
    )
    yield check("no quota is negative at any moment", len(quotas), overdrawn)
    yield check(
        "nothing is reserved in the end",
        len(quotas),
        (f"{user}: {quota}" for user, quota in quotas.items() if quota.minutes_reserved),
    )


def _is_paid_once(count: Counter[str]) -> bool:
    return count["TranscriptionCompleted"] == count["QuotaDebited"] == 1


def _adds_up(minutes: Counter[str]) -> bool:
    return minutes["QuotaReserved"] == minutes["QuotaDebited"] + minutes["QuotaReleased"]


def _is_settled(count: Counter[str]) -> bool:
    """Of a recording that decoded in part, the rest is released beside the debit."""
    unsuccessful = count["TranscriptionFailed"] + count["TranscriptionCancelled"]
    return (
        count["TranscriptionRequested"] == count["QuotaReserved"]
        and count["TranscriptionRequested"] == count["TranscriptionCompleted"] + unsuccessful
        and unsuccessful <= count["QuotaReleased"] <= unsuccessful + count["QuotaDebited"]
        and count["QuotaDebited"] == count["TranscriptionCompleted"]
    )


async def check_objects(log: Log, objects: ObjectStore) -> Check:
    """Recordings, results and revisions, each under its name and with the bytes that the event promises."""
    violations: list[str] = []
    promised = _promised_by(log)
    for key, digest in promised.items():
        try:
            content = await objects.get(key)
        except ObjectMissing:
            violations.append(f"{key} is missing")
        else:
            if sha256(content).hexdigest() != digest:
                violations.append(f"{key} has other bytes")
    return check("every object that an event names is there, with its bytes", len(promised), violations)


def _promised_by(log: Log) -> dict[str, str]:
    """Digests by key, without what is of somebody who asked to be erased."""
    leaving = {record.owner_id for record in records_of(log) if record.type == "UserErasureRequested"}
    promised: dict[str, str] = {}
    for record in (record for record in records_of(log) if record.owner_id not in leaving):
        event: Any = opened(record, BLIND)
        match record.type:
            case "FileUploaded":
                promised[event.media_key] = event.media_sha256
            case "TranscriptionCompleted":
                promised[event.result.transcript_key] = event.result.transcript_sha256
            case "TranscriptEdited" | "TranscriptAligned":
                promised[event.transcript_key] = event.transcript_sha256
    return promised


def check_reads(ledger: Ledger) -> Iterator[Check]:
    yield check("a query with a token shows the write", ledger.reads["showed the write"], ledger.stale)
    yield check("who was erased is shown nothing", ledger.reads["of who was erased"], ledger.shown)
    yield check("no answer was a 5xx but 503", sum(ledger.statuses.values()), ledger.broken)


LEFT_OVER = """
select 'lease ' || transcription_id from dispatch_leases
union all select 'queue ' || transcription_id || ' ' || status from read.dispatch_queue
union all select 'waiting ' || user_id from read.dispatch_users where waiting <> 0
union all select 'lease of ' || role || ' ' || slot from leases where expires_at < now() - interval '1 minute'
"""


async def check_left_over(database: Database) -> Check:
    rows = await database.fetch(LEFT_OVER)
    events = await database.fetchval("select sum(seq)::bigint from log_heads")
    return check(
        "no lease and no place in the queue is left over", int(events), (str(row[0]) for row in rows)
    )
