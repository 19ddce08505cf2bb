"""The log in place of Kafka, for those that fold events and have the database at hand anyway."""

from collections.abc import Sequence

from domain.log import RecordedEvent
from infrastructure.kafka.failures import PartitionDamaged
from infrastructure.postgres.kafka_damage import PostgresKafkaDamage
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool


class PostgresSubstitute:
    """Implements infrastructure.kafka.substitute.Substitute. Methods raise DatabaseUnavailable or DatabaseNotMigrated."""

    def __init__(self, pool: Pool, partition_count: int) -> None:
        self._log = PostgresEventLog(pool, partition_count)
        self._damage = PostgresKafkaDamage(pool)

    async def read(self, partition: int, after_seq: int, records_max: int) -> Sequence[RecordedEvent]:
        return [
            RecordedEvent(
                partition=each.partition,
                seq=each.seq,
                type=each.type,
                schema_version=each.schema_version,
                data=each.data,
                version=each.version,
            )
            for each in await self._log.read(partition, after_seq, records_max)
        ]

    async def tell(self, damage: PartitionDamaged) -> None:
        await self._damage.tell(damage)
