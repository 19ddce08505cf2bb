"""Waiting, after the load, until all that was accepted is settled and has arrived everywhere."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import asyncpg

from projections.models import READ_MODELS
from tests.end_to_end.installation import Installation
from tests.end_to_end.quiet import BEHIND
from tests.end_to_end.story import Log, read_topic

LOOK_SECONDS: Final = 0.5
SAY_SECONDS: Final = 5.0
TOPIC_SECONDS_MAX: Final = 60.0

UNSETTLED = f"""
select
    (select count(*) from read.transcriptions where status in ('queued', 'processing')) as transcriptions,
    (select count(*) from read.dispatch_queue) as queued,
    (select count(*) from dispatch_leases) as leases,
    (select count(*) from credentials where erasure_requested_at is not null and erased_at is null) as erasures,
    (select count(*) from ({BEHIND}) as late) as partitions_behind,
    (select sum(seq)::bigint from log_heads) as events
"""

NOT_YET: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""What a database answers that is on its way up or down."""


class NeverQuiet(Exception):
    """What was accepted did not settle in time; the message has what was left."""


async def until_settled(
    running: Installation, standstill_seconds: float, say: Callable[[str], None]
) -> None:
    """Returns when no work is left, the read models are at the head of the log, and the head stays.

    A long queue may take its time. Raises NeverQuiet when nothing at all has changed for `standstill_seconds`.
    """
    moved_at = said_at = time.monotonic()
    before = left = "the database was not reached"
    while time.monotonic() < moved_at + standstill_seconds:
        settled, left = await _what_is_left(running)
        if left != before:
            before, moved_at = left, time.monotonic()
        elif settled:
            return
        if time.monotonic() - said_at > SAY_SECONDS:
            said_at = time.monotonic()
            say(f"  waiting for quiet: {left}")
        await asyncio.sleep(LOOK_SECONDS)
    raise NeverQuiet(f"nothing has changed for {standstill_seconds:.0f} s: {left}")


async def _what_is_left(running: Installation) -> tuple[bool, str]:
    """Whether it is nothing, and what in words."""
    try:
        async with running.database() as database:
            row = await database.fetchrow(UNSETTLED, list(READ_MODELS))
    except NOT_YET as problem:
        return False, f"no database: {problem!r}"
    assert row is not None
    *work, _events = row.values()
    return not any(work), ", ".join(f"{count} {name}" for name, count in row.items())


async def topic_at_head(
    running: Installation, log: Log, deadline_seconds: float, *, forgetful: bool
) -> Log:
    """The topic as soon as it has the last event of each partition, or as it is at the deadline."""
    ends_at = time.monotonic() + deadline_seconds
    heads = {partition: records[-1].seq for partition, records in log.items()}
    while True:
        async with asyncio.timeout(TOPIC_SECONDS_MAX):
            topic = await read_topic(running.settings, forgetful=forgetful)
        reached = {partition: max(each.seq for each in records) for partition, records in topic.items()}
        if reached == heads or time.monotonic() > ends_at:
            return topic
        await asyncio.sleep(LOOK_SECONDS)
