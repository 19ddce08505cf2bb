"""Whoever tails the log misses nothing, whatever writers do; a log without an order of commits is found out."""

import pytest

from tests.guarantees.following import Findings, Hold, Sighting, found_in, tail_under_fire
from tests.guarantees.logs import our_log, package_log
from tests.infrastructure.postgres.database import fresh_database
from tests.stack.servers import Database

HOLD_SECONDS = 30.0


@pytest.mark.slow
async def test_followers_miss_nothing_while_a_transaction_is_open_for_half_a_minute(
    postgres: Database,
) -> None:
    async with (
        fresh_database(postgres) as url,
        our_log(url, HOLD_SECONDS) as log,
        log.clients.acquire() as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        # A snapshot as old as the whole test, and something written under it.
        await connection.execute("insert into tracking values ('open', 1)")
        findings, total = await tail_under_fire(log, Hold(HOLD_SECONDS, HOLD_SECONDS))
        assert findings == Findings()
        assert total == sum([await log.log.head(each) for each in range(log.partition_count)])


async def test_followers_of_the_package_with_database_functions_skip_events(postgres: Database) -> None:
    async with fresh_database(postgres) as url, package_log(url, enable_db_functions=True) as log:
        findings, _ = await tail_under_fire(log, Hold())
    assert findings.skipped >= 3  # Those of the transaction that was open, at the least.


async def test_followers_of_the_package_with_its_table_lock_skip_nothing(postgres: Database) -> None:
    """What finds the skipped events finds none where there are none."""
    async with fresh_database(postgres) as url, package_log(url, enable_db_functions=False) as log:
        findings, _ = await tail_under_fire(log, Hold(seconds_max=0.5))
    assert findings == Findings()


def test_what_is_skipped_repeated_or_inverted_is_counted() -> None:
    first, second, third = (Sighting(number, "stream", number) for number in (1, 2, 3))
    stored = [[first, second, third]]
    assert found_in(stored, stored) == Findings()
    assert found_in([[first, third]], stored) == Findings(skipped=1)
    assert found_in([[first, second, second, third]], stored) == Findings(repeated=1)
    assert found_in([[first, third, second]], stored) == Findings(inverted=1)
    backwards = [[Sighting(1, "stream", 2), Sighting(2, "stream", 1)]]
    assert found_in(backwards, backwards) == Findings(inverted=1)
