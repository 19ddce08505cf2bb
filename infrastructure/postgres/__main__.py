"""Brings the event log's schema up to date: `python -m infrastructure.postgres`."""

import asyncio
import logging
import sys

from infrastructure.postgres.errors import DatabaseProblem
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import create_pool
from infrastructure.settings import InvalidSetting, Settings, read_settings


async def bring_up_to_date(settings: Settings) -> None:
    async with await create_pool(
        settings.database_url, application_name="stenolog migrate", size_max=1
    ) as pool:
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        await claim_partition_count(pool, settings.partitions)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        asyncio.run(bring_up_to_date(read_settings()))
    except InvalidSetting as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - the one line a person sees
        return 2
    except DatabaseProblem as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - the one line a person sees
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
