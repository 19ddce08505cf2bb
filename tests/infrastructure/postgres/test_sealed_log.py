"""A real log: no byte of what is personal is in it, and without the key what it says stays where it is."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from commands.register_user import register_user
from domain.errors import PersonErased
from domain.events import Event
from domain.log import Provenance, StreamAppend, StreamHead
from domain.media_file import MEDIA_FILE
from domain.ports import EventUnreadable
from domain.transcription import TRANSCRIPTION as RULES
from domain.user import USER, RegisterUser
from infrastructure.postgres.credentials import PostgresCredentials
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.store import PostgresEventStore
from tests.builders import ANNA, BERT, FILE, NOON, TRANSCRIPTION, registered, requested, uploaded
from tests.infrastructure.postgres.database import PARTITION_COUNT
from tests.keys import keys_on

PROVENANCE = Provenance(actor="a test", correlation_id=UUID(int=1))
EMAIL = "anna.nowak@example.com"


def first(stream_id: str, event: Event) -> StreamAppend:
    return StreamAppend(stream_id=stream_id, owner_id=ANNA, expected_version=0, events=[event])


async def spoken_of_anna(store: PostgresEventStore) -> None:
    appends = [
        first(USER.stream_id(ANNA), registered(email=EMAIL)),
        first(MEDIA_FILE.stream_id(FILE), uploaded()),
    ]
    await store.append(appends, PROVENANCE)


async def tamper(pool: Pool, sql: str, *arguments: object) -> None:
    """As somebody who can do more than we."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(sql, *arguments)


async def stored_bytes(pool: Pool) -> bytes:
    return bytes(await pool.fetchval("select string_agg(data, '') from events"))


async def test_no_byte_of_an_address_or_a_file_name_is_in_the_table_of_events(
    pool: Pool, store: PostgresEventStore
) -> None:
    await spoken_of_anna(store)
    credentials = PostgresCredentials(pool, PARTITION_COUNT, store.announce, keys_on(pool))
    command = RegisterUser(user_id=BERT, email="bert@example.com", registered_at=NOON)
    await register_user(command, b"hash", 60, credentials, PROVENANCE)
    data = await stored_bytes(pool)
    assert str(ANNA).encode() in data
    for said in (b"anna.nowak", b"bert@", b"example.com", b"talk.mp3"):
        assert said not in data


async def test_it_is_read_back_by_every_way_of_reading_a_stream(
    pool: Pool, store: PostgresEventStore
) -> None:
    await spoken_of_anna(store)
    await store.append([first(RULES.stream_id(TRANSCRIPTION), requested())], PROVENANCE)
    stream_id = USER.stream_id(ANNA)
    async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as other:
        assert await other.read_stream(stream_id) == [registered(email=EMAIL)]
        for owner_id in (ANNA, None):
            tails = await other.read_streams({stream_id: StreamHead()}, 10, owner_id)
            assert list(tails[stream_id].events) == [registered(email=EMAIL)]


async def test_a_lost_key_is_said_and_nothing_is_made_up(pool: Pool, store: PostgresEventStore) -> None:
    await spoken_of_anna(store)
    await pool.execute("delete from person_keys")
    async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as other:
        with pytest.raises(EventUnreadable, match=f"no key of user {ANNA}") as refused:
            await other.read_stream(USER.stream_id(ANNA))
        with pytest.raises(EventUnreadable):
            await other.read_streams({USER.stream_id(ANNA): StreamHead()}, 10, ANNA)
    assert EMAIL not in str(refused.value)


async def test_what_was_moved_to_another_event_is_refused(pool: Pool, store: PostgresEventStore) -> None:
    await spoken_of_anna(store)
    again = StreamAppend(
        stream_id=USER.stream_id(ANNA),
        owner_id=ANNA,
        expected_version=1,
        events=[registered(email="b@c.d")],
    )
    await store.append([again], PROVENANCE)
    await tamper(
        pool,
        "update events set data = (select data from events where stream_id = $1 and version = 1) "
        "where stream_id = $1 and version = 2",
        USER.stream_id(ANNA),
    )
    with pytest.raises(EventUnreadable, match="another place"):
        await store.read_stream(USER.stream_id(ANNA))


async def test_of_who_was_erased_what_is_not_personal_is_read(
    pool: Pool, store: PostgresEventStore
) -> None:
    await spoken_of_anna(store)
    keys = keys_on(pool)
    await keys.erase(ANNA)
    async with PostgresEventStore(pool, PARTITION_COUNT, keys) as other:
        assert await other.read_stream(USER.stream_id(ANNA)) == [registered(email="")]
        assert await other.read_stream(MEDIA_FILE.stream_id(FILE)) == [replace(uploaded(), filename="")]


async def test_nothing_personal_is_stored_about_who_was_erased(pool: Pool) -> None:
    keys = keys_on(pool)
    await keys.erase(ANNA)
    async with PostgresEventStore(pool, PARTITION_COUNT, keys) as store:
        with pytest.raises(PersonErased):
            await spoken_of_anna(store)
        await store.append([first(RULES.stream_id(TRANSCRIPTION), requested())], PROVENANCE)
    assert await pool.fetchval("select count(*) from events") == 1


async def test_who_has_said_nothing_has_no_key(pool: Pool, store: PostgresEventStore) -> None:
    """And is read all the same: a key that was never made is not asked for."""
    await store.append([first(RULES.stream_id(TRANSCRIPTION), requested())], PROVENANCE)
    assert await pool.fetchval("select count(*) from person_keys") == 0
    assert await store.read_stream(RULES.stream_id(TRANSCRIPTION)) == [requested()]


async def test_an_event_of_before_is_read_in_the_clear(pool: Pool, store: PostgresEventStore) -> None:
    await spoken_of_anna(store)
    clear = f'{{"user_id":"{ANNA}","email":"{EMAIL}","registered_at":"2026-03-01T12:00:00Z"}}'
    sql = "update events set schema_version = 1, data = $1 where type = 'UserRegistered'"
    await tamper(pool, sql, clear.encode())
    await pool.execute("delete from person_keys")
    async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as other:
        assert await other.read_stream(USER.stream_id(ANNA)) == [registered(email=EMAIL)]


async def test_the_version_that_opens_it_is_where_readers_look(
    pool: Pool, store: PostgresEventStore
) -> None:
    await spoken_of_anna(store)
    async with PostgresEventLog(pool, PARTITION_COUNT) as log:
        records = [each for number in range(PARTITION_COUNT) for each in await log.read(number, 0, 10)]
    assert [(each.stream_id, each.version) for each in records] == [
        (USER.stream_id(ANNA), 1),
        (MEDIA_FILE.stream_id(FILE), 1),
    ]
