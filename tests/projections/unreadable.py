"""An event in the log that no Stenolog of today can read."""

from typing import Any

import asyncpg

from domain.log import Address

NEWER_VERSION = 99
ERROR = f"UnknownEventType: unknown event type UserRegistered version {NEWER_VERSION}: run a newer Stenolog"

_APPEND = """
insert into events
select partition, (select seq + 1 from log_heads where log_heads.partition = $1), 'user-' || gen_random_uuid(), 1,
    owner_id, type, $2, data, gen_random_uuid(), now(), actor, correlation_id, null, null, null
from events where partition = $1 and type = 'UserRegistered' order by seq limit 1
returning seq
"""


async def append_unreadable(pool: "asyncpg.Pool[Any]", partition: int) -> Address:
    """As a newer version would that shares this log; the partition must hold somebody's UserRegistered."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select from log_partitions where partition = $1 for update", partition)
        seq = await connection.fetchval(_APPEND, partition, NEWER_VERSION)
    assert isinstance(seq, int)
    return Address(partition, seq)
