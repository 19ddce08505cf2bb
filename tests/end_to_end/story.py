"""The oracle: whether the log, the Kafka topic and the read models tell the same story."""

import asyncio
import time
from collections import defaultdict
from functools import reduce
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from domain.log import LogRecord
from domain.quota import QUOTA, Quota, QuotaEvent, minutes_for
from domain.transcription_events import Result
from infrastructure.settings import Settings
from projections.files import FILES
from projections.projection import Projection
from projections.quota import QUOTA as QUOTA_READ_MODEL
from projections.transcriptions import TRANSCRIPTIONS
from projections.users import USERS
from schemas.events import opened
from schemas.sealing import BLIND
from schemas.topics import Topics, record_of
from tests.end_to_end.database import Database
from tests.keys import stored_keys

PROJECTIONS: list[Projection[Any]] = [USERS, QUOTA_READ_MODEL, FILES, TRANSCRIPTIONS]

Log = dict[int, list[LogRecord]]
RELAYED_SECONDS = 60.0
"""For the relay to find Kafka again and to send what was appended meanwhile."""


async def read_log(connection: Database) -> Log:
    """Every event there is, by partition, read without any code of ours."""
    detached = await connection.fetch("select partition from detached_partitions")
    assert not detached, f"not the whole log: {detached}"
    log: Log = defaultdict(list)
    for row in await connection.fetch("select * from events order by partition, seq"):
        log[row["partition"]].append(LogRecord(**row))
    return dict(log)


async def read_topic(settings: Settings, *, forgetful: bool = False) -> Log:
    """Every committed event in Kafka, by partition, as any analytics consumer would read it.

    A forgetful broker lost events and was given them again, some of them twice, and hides some that are
    committed: there a consumer reads everything and passes by what it has seen, as Stenolog's own do.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        isolation_level="read_uncommitted" if forgetful else "read_committed",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        log = await _read_to_end(consumer, Topics(settings.topic_prefix).events, settings.partitions)
    finally:
        await consumer.stop()
    return _without_repetitions(log) if forgetful else log


def _without_repetitions(log: Log) -> Log:
    """What a consumer makes of a topic when it takes each event only in its turn."""
    taken: Log = {partition: [] for partition in log}
    for partition, records in log.items():
        for record in records:
            if record.seq == len(taken[partition]) + 1:
                taken[partition].append(record)
    return taken


async def _read_to_end(consumer: AIOKafkaConsumer, topic: str, partition_count: int) -> Log:
    partitions = [TopicPartition(topic, number) for number in range(partition_count)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    log: Log = defaultdict(list)
    while any([await consumer.position(each) < ends[each] for each in partitions]):
        for partition, messages in (await consumer.getmany(timeout_ms=200)).items():
            log[partition.partition] += [
                record_of(each.partition, each.key, each.value, each.headers) for each in messages
            ]
    return dict(log)


def assert_gap_free(log: Log) -> None:
    """Guarantee 2: per partition no gap and no duplicate; per stream no gap and no inversion; an owner has one partition."""
    for partition, records in log.items():
        assert [record.seq for record in records] == list(range(1, len(records) + 1)), (
            f"partition {partition}"
        )
    versions: dict[str, int] = defaultdict(int)
    places: dict[UUID, int] = {}
    for records in log.values():
        for record in records:
            versions[record.stream_id] += 1
            assert record.version == versions[record.stream_id], record.stream_id
            assert places.setdefault(record.owner_id, record.partition) == record.partition, record.owner_id


async def assert_read_models_equal(connection: Database, log: Log, settings: Settings) -> None:
    """Guarantee 4: each read model holds exactly what folding the log from nothing gives."""
    secrets = await stored_keys(connection, settings)
    events = [opened(record, secrets) for records in log.values() for record in records]
    for projection in PROJECTIONS:
        expected: dict[UUID, Any] = {}
        for event in events:
            if key_of := projection.keys.get(type(event)):
                key = key_of(event)
                expected[key] = projection.project(expected.get(key), event)
        keys = await connection.fetch(
            f"select {projection.row.__struct_fields__[0]} from read.{projection.name}"
        )
        await connection.execute("set search_path to read, public")
        rows = await connection.fetch(projection.queries["load"], [each[0] for each in keys])
        live = {row[0]: projection.row(*row) for row in rows}
        assert live == {key: row for key, row in expected.items() if row is not None}, projection.name


def assert_quota_adds_up(log: Log) -> None:
    """Guarantee 6: per user, what was debited is the sum of what decoded of the completed transcriptions, each once."""
    histories: dict[UUID, list[QuotaEvent]] = defaultdict(list)
    minutes: dict[UUID, int] = {}
    completed: dict[UUID, int] = defaultdict(int)
    for record in (record for records in log.values() for record in records):
        event: Any = opened(record, BLIND)
        if record.type.startswith("Quota"):
            histories[record.owner_id].append(event)
        elif record.type == "TranscriptionRequested":
            minutes[event.transcription_id] = event.minutes
        elif record.type == "TranscriptionCompleted":
            completed[event.user_id] += _minutes_decoded(event.result, minutes[event.transcription_id])
    for user_id, history in histories.items():
        quota: Quota = reduce(QUOTA.evolve, history, QUOTA.initial)
        assert quota.minutes_available >= 0
        assert quota.minutes_debited == completed[user_id], user_id


def _minutes_decoded(result: Result, reserved: int) -> int:
    seconds = result.duration_seconds
    return reserved if seconds is None else min(reserved, minutes_for(seconds))


async def read_topic_as_long_as(log: Log, settings: Settings, *, forgetful: bool) -> Log:
    """Read models take from the log what a killed Kafka lacks, so its topic may be whole a while after them."""
    ends_at = time.monotonic() + RELAYED_SECONDS
    topic = await read_topic(settings, forgetful=forgetful)
    while _length(topic) < _length(log) and time.monotonic() < ends_at:
        await asyncio.sleep(0.2)  # the condition is in Kafka
        topic = await read_topic(settings, forgetful=forgetful)
    return topic


def _length(log: Log) -> int:
    return sum(map(len, log.values()))


async def assert_nothing_personal(connection: Database, log: Log) -> None:
    """No address and no name of a file is anywhere in the log, and so in Kafka, which holds the same."""
    rows = await connection.fetch(
        "select email as said from credentials where email is not null union select original_filename from read.files"
    )
    assert rows
    stored = b"".join(record.data for records in log.values() for record in records)
    assert [row["said"] for row in rows if row["said"].encode() in stored] == []


async def assert_one_story(connection: Database, settings: Settings, *, forgetful: bool = False) -> Log:
    """All of the above at a moment when nothing is under way; returns the log."""
    log = await read_log(connection)
    assert_gap_free(log)
    await assert_nothing_personal(connection, log)
    assert await read_topic_as_long_as(log, settings, forgetful=forgetful) == log
    await assert_read_models_equal(connection, log, settings)
    assert_quota_adds_up(log)
    return log
