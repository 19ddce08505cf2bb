"""What is done again while the database is away ends when it is told to, whatever the connection does."""

import asyncio

from infrastructure.postgres.pool import create_pool
from infrastructure.postgres.retry import retried


async def test_what_is_told_to_end_when_its_connection_breaks_is_not_done_again(
    empty_database_url: str,
) -> None:
    tries = 0
    has_begun = asyncio.Event()

    async def action() -> None:
        nonlocal tries
        tries += 1
        async with pool.acquire() as connection, connection.transaction():
            try:
                has_begun.set()
                await asyncio.Event().wait()
            finally:
                connection.terminate()

    async with asyncio.timeout(20), await create_pool(empty_database_url) as pool:
        working = asyncio.create_task(retried(action, 15))
        await has_begun.wait()
        working.cancel()
        await asyncio.wait([working])
    assert working.cancelled()
    assert tries == 1
