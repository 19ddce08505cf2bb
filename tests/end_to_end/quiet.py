"""Waiting until everything that was accepted has arrived everywhere."""

import asyncio
import time

from projections.models import READ_MODELS
from tests.end_to_end.installation import Installation

QUIET_SECONDS = 60.0

BEHIND = """
select name, head.partition, head.seq, coalesce(checkpoint.seq, 0) as reached
from unnest($1::text[]) as name
cross join log_heads as head
left join read.projection_checkpoints as checkpoint
    on checkpoint.projection = name and checkpoint.partition = head.partition
where coalesce(checkpoint.seq, 0) < head.seq
"""


async def until_quiet(running: Installation) -> None:
    """Returns when every read model has reached the end of the log."""
    ends_at = time.monotonic() + QUIET_SECONDS
    async with running.database() as database:
        while behind := await database.fetch(BEHIND, list(READ_MODELS)):
            assert time.monotonic() < ends_at, f"still behind: {behind}"
            await asyncio.sleep(0.1)
