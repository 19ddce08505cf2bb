"""What stands still is in a table until it is relayed again."""

from datetime import datetime

import pytest

from infrastructure.postgres.errors import DatabaseNotMigrated
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import create_pool
from relay.refusals import PostgresRefusals
from tests.infrastructure.postgres.database import fresh_database
from tests.stack.servers import Database


async def test_a_refusal_is_kept_with_its_reason_and_beginning_until_the_partition_is_relayed(
    postgres: Database,
) -> None:
    async with fresh_database(postgres) as url, await create_pool(url) as pool:
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        refusals = PostgresRefusals(pool)

        async def told() -> dict[int, tuple[str, datetime]]:
            rows = await pool.fetch("select partition, reason, since from relay_refusals")
            return {row["partition"]: (row["reason"], row["since"]) for row in rows}

        await refusals.tell({1: "the log is behind", 2: "another log"}, [0])
        first = await told()
        assert {each: reason for each, (reason, _) in first.items()} == {
            1: "the log is behind",
            2: "another log",
        }
        await refusals.tell({1: "the log is behind", 2: "the log is behind"}, [])
        second = await told()
        assert second[1] == first[1]
        assert second[2][0] == "the log is behind"
        assert second[2][1] > first[2][1]
        await refusals.tell({2: "the log is behind"}, [0, 1])
        assert await told() == {2: second[2]}


async def test_a_database_without_the_table_is_to_be_migrated(postgres: Database) -> None:
    async with fresh_database(postgres) as url, await create_pool(url) as pool:
        with pytest.raises(DatabaseNotMigrated):
            await PostgresRefusals(pool).tell({}, [0])
