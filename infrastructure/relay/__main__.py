"""The relay process: `python -m infrastructure.relay`, any number of them at a time."""

import sys
from typing import Never
from uuid import uuid4

from infrastructure.postgres.errors import DatabaseProblem, PartitionCountMismatch
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import create_pool
from infrastructure.process import run_process
from infrastructure.relay.owner import RelayOwner
from infrastructure.relay.relay import RelayPartition
from infrastructure.settings import InvalidSetting, Settings
from schemas.topics import Topics


async def relay_log(settings: Settings) -> Never:
    """Raises InvalidSetting."""
    try:
        await _relay_log(settings)
    except PartitionCountMismatch as problem:
        raise InvalidSetting(str(problem)) from problem


async def _relay_log(settings: Settings) -> Never:
    topics = Topics(settings.topic_prefix)
    async with (
        await create_pool(settings.database_url, application_name="stenolog relay") as pool,
        PostgresEventLog(pool, settings.partitions) as log,
    ):
        leases = PostgresLeases(pool, "relay", settings.partitions, uuid4(), settings.lease_seconds)

        async def relay(partition: int) -> Never:
            await RelayPartition(partition, log, settings.kafka_bootstrap, topics).run()

        await RelayOwner(leases, relay, leases.renew_seconds).run()


if __name__ == "__main__":
    sys.exit(run_process(relay_log, DatabaseProblem))
