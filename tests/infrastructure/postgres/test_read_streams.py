"""What reading streams on costs: as much as is new, whatever else is in the log."""

from uuid import uuid4

import pytest

from domain.log import StreamHead
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.store import LOG_QUERIES, PostgresEventStore
from schemas.partitions import partition_of
from tests.builders import ANNA
from tests.contracts.log_entries import append, provenance
from tests.infrastructure.postgres.database import PARTITION_COUNT

LENGTH = 3_000
LOOKED_AT = """
select sum(pg_stat_get_xact_tuples_returned(oid)) from (
    select indexrelid from pg_index join pg_inherits on indrelid = inhrelid where inhparent = 'events'::regclass
    union all
    select inhrelid from pg_inherits where inhparent = 'events'::regclass
) as looked_at (oid)
"""
"""Entries of indexes and rows of the log that this session has gone through lately."""


@pytest.mark.parametrize("statistics", ["analyze events", "select"])
async def test_to_read_a_long_stream_on_looks_at_what_is_new(
    pool: Pool, store: PostgresEventStore, statistics: str
) -> None:
    """With statistics of a log that is nearly all one stream, and without any."""
    await store.append([append(ANNA, *range(1, LENGTH + 1))], provenance())
    stream_id = f"quota-{ANNA}"
    head = (await store.read_streams({stream_id: StreamHead()}, 2 * LENGTH))[stream_id].head
    await store.append([append(ANNA, 1, at=LENGTH)], provenance())
    await pool.execute(statistics)
    partitions = [partition_of(ANNA, PARTITION_COUNT)] * 2
    asked = [partitions, [stream_id, f"file-{uuid4()}"], [head.version, 0], [head.event_id, None]]
    query = load_queries(LOG_QUERIES)["read_streams"]
    async with pool.acquire() as connection, connection.transaction():
        before = await connection.fetchval(LOOKED_AT)
        rows = await connection.fetch(query, *asked, 100)
        looked_at = await connection.fetchval(LOOKED_AT) - before
    assert [row["version"] for row in rows] == [LENGTH + 1, None]
    assert 0 < looked_at < 10
