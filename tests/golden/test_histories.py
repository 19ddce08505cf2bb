"""What was stored by every released version is read by this one, for ever."""

from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import accumulate
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator, FormatChecker

from domain.api_keys import API_KEYS
from domain.decider import Decider
from domain.media_file import MEDIA_FILE
from domain.quota import QUOTA
from domain.transcription import TRANSCRIPTION
from domain.user import USER
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import create_pool
from projections.models import READ_MODELS as MODELS
from projections.models import migrate
from projections.reading import Reading
from projections.rebuild import rebuild
from schemas.events import REGISTRY, decode
from schemas.released import released
from tests.golden.histories import READ_MODELS, histories, keys_of, read_history, restore
from tests.keys import keys_on
from tests.stack import servers

DECIDERS: dict[str, Decider[Any, Any, Any]] = {
    each.category: each for each in (USER, QUOTA, MEDIA_FILE, TRANSCRIPTION, API_KEYS)
}

every_history = pytest.mark.parametrize("path", histories(), ids=lambda path: path.stem)


def test_there_is_a_history_and_every_type_of_event_is_in_one() -> None:
    stored = {
        (row["type"], row["schema_version"]) for path in histories() for row in read_history(path).log
    }
    assert stored == {(kind.name, kind.schema_version) for kind in REGISTRY}


@every_history
def test_each_event_is_as_its_released_schema_promised(path: Path) -> None:
    for row in read_history(path).log:
        schema = released()[f"/schemas/{row['type']}/{row['schema_version']}"]
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        validator.validate(msgspec.json.decode(row["data"]))


@every_history
def test_each_stream_is_folded_to_its_end(path: Path) -> None:
    history = read_history(path)
    keys = keys_of(history)
    streams: dict[str, list[Any]] = defaultdict(list)
    for row in history.log:
        data, version = row["data"].encode(), row["version"]
        event = decode(row["type"], row["schema_version"], data, version, keys)
        streams[row["stream_id"]].append(event)
    for stream_id, events in streams.items():
        decider = DECIDERS[stream_id.partition("-")[0]]
        # Who has had all keys revoked has as many as before the first.
        states = accumulate(events, decider.evolve, initial=decider.initial)
        assert any(state != decider.initial for state in states)


@pytest_asyncio.fixture
async def pool(postgres: servers.Database) -> AsyncIterator["asyncpg.Pool[Any]"]:
    name = f"golden_{uuid4().hex}"
    async with await create_pool(await postgres.create_database(name)) as pool:
        yield pool
    await postgres.drop_database(name)


@every_history
async def test_the_read_models_are_what_they_were(path: Path, pool: "asyncpg.Pool[Any]") -> None:
    """But for columns that came since."""
    history = read_history(path)
    await restore(pool, history)
    async with PostgresEventLog(pool, history.partition_count) as log, pool.acquire() as connection:
        await migrate(connection)
        reading = Reading(keys_on(pool).of)
        for name in READ_MODELS:
            await rebuild(connection, log, MODELS[name], reading, lambda _folded, _there: None)
    for name, rows in history.read_models.items():
        assert rows, name
        found = await pool.fetch(f"select to_jsonb(t)::text as row from read.{name} t order by 1")
        today = {str(row[_key(row)]): row for row in (msgspec.json.decode(each["row"]) for each in found)}
        for row in rows:
            of_today = today.pop(str(row[_key(row)]))
            assert {column: of_today[column] for column in row} == row
        assert not today


def _key(row: dict[str, Any]) -> str:
    return "id" if "id" in row else "user_id"
