"""Every message may come a second time: nothing changes."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from infrastructure.settings import Settings
from schemas.topics import Topics
from tests.end_to_end.installation import Installation
from tests.end_to_end.person import Person
from tests.end_to_end.quiet import until_quiet
from tests.end_to_end.story import Log, assert_one_story, read_log
from tests.media import write_tone

TABLES_WITH_OFFSETS = """
select format('%I.%I', table_schema, table_name) as name from information_schema.columns
where column_name = 'next_offset'
"""


def of_user(log: Log, owner_id: str) -> list[tuple[str, bytes]]:
    return [
        (record.type, record.data)
        for records in log.values()
        for record in records
        if str(record.owner_id) == owner_id
    ]


async def transcribe(person: Person, running: Installation) -> str:
    recording = write_tone(running.folder.path / "tone.wav", seconds=40)
    transcription_id = await person.requests((await person.uploads(recording))["file_id"])
    await person.waits_for(transcription_id, "completed")
    return transcription_id


async def send_again(settings: Settings, topic: str) -> int:
    """Puts a copy of every message of a topic behind the ones that are there; returns how many."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    await producer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        copies = 0
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for partition, messages in (await consumer.getmany(timeout_ms=200)).items():
                for message in messages:
                    await producer.send_and_wait(
                        topic,
                        message.value,
                        key=message.key,
                        partition=partition.partition,
                        headers=list(message.headers),
                    )
                    copies += 1
        return copies
    finally:
        await producer.stop()
        await consumer.stop()


async def test_a_second_run_of_every_message_changes_nothing(running: Installation) -> None:
    async with Person.arrives(running.url) as anna, Person.arrives(running.url) as bert:
        transcription_id = await transcribe(anna, running)
        before = await anna.sees(transcription_id)
        await until_quiet(running)
        topics = Topics(running.settings.topic_prefix)
        async with running.database() as database:
            log = await read_log(database)
            owner_id = str(
                next(
                    record.owner_id
                    for records in log.values()
                    for record in records
                    if transcription_id in record.stream_id
                )
            )
            events = of_user(log, owner_id)

            # The consumers forget where they were, and find every message twice.
            for table in await database.fetch(TABLES_WITH_OFFSETS):
                await database.execute(f"update {table['name']} set next_offset = 0")
            assert await send_again(running.settings, topics.jobs) > 0
            assert await send_again(running.settings, topics.reports) > 0
            for name in ("project", "dispatch", "relay"):
                await running.kill(name)

            # When work that is asked for now is done, all that came before has been dealt with.
            await transcribe(bert, running)
            await until_quiet(running)
            assert (
                of_user(
                    await assert_one_story(database, running.settings, forgetful=running.forgetful),
                    owner_id,
                )
                == events
            )
        assert await anna.sees(transcription_id) == before
