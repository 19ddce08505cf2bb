"""Brings the event log's schema up to date: `python -m infrastructure.postgres`."""

import sys

from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate, tell_done
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import create_pool
from infrastructure.process import run_process
from infrastructure.settings import Settings


async def bring_up_to_date(settings: Settings) -> None:
    async with await create_pool(
        settings.database_url, application_name="stenolog migrate", size_max=1
    ) as pool:
        tell_done("event log", await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS))
        await claim_partition_count(pool, settings.partitions)


if __name__ == "__main__":
    sys.exit(run_process(bring_up_to_date, ["database"]))
