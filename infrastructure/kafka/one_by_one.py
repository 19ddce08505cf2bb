"""Reading what lies before a damaged batch, message by message."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition
from msgspec import Struct

from infrastructure.kafka.consumer import ConsumedMessage


class Swept(Struct, frozen=True):
    """What was there to read, and the damage that came next, if one did."""

    messages: Mapping[TopicPartition, Sequence[ConsumedMessage]]
    damage: tuple[TopicPartition, int, str] | None
    """Where, from which offset on, and what aiokafka says about it."""


async def sweep(consumer: AIOKafkaConsumer, records_max: int) -> Swept:
    """Takes what the consumer has fetched, without waiting, as far as it is whole.

    Asked for many messages at once aiokafka throws away those it has unpacked when it meets a damaged batch, and
    says nothing of where that is. Asked for one message of one partition it cannot but give them, and then fail.
    """
    messages: dict[TopicPartition, list[ConsumedMessage]] = defaultdict(list)
    for where in sorted(consumer.assignment()):
        try:
            while len(messages[where]) < records_max:
                one = await consumer.getmany(where, max_records=1)
                if not one:
                    break
                messages[where] += one[where]
        except CorruptRecordException as problem:
            damage = where, await consumer.position(where), repr(problem)
            return Swept(_without_empty(messages), damage)
    return Swept(_without_empty(messages), None)


def _without_empty(
    messages: Mapping[TopicPartition, Sequence[ConsumedMessage]],
) -> Mapping[TopicPartition, Sequence[ConsumedMessage]]:
    return {where: each for where, each in messages.items() if each}
