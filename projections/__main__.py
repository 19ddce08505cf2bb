"""The projector's process, its migration, rebuilds and status: `python -m projections [run | migrate | rebuild NAME | status]`."""

import argparse
import asyncio
import functools
import sys
import time
from typing import Final
from uuid import uuid4

import asyncpg

from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.refusals import welcoming_brokers
from infrastructure.object_store import open_object_store
from infrastructure.postgres.errors import DatabaseNotMigrated, rights_told
from infrastructure.postgres.kafka_damage import PostgresKafkaDamage
from infrastructure.postgres.kafka_substitute import PostgresSubstitute
from infrastructure.postgres.leases import PROJECT, PostgresLeases
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import noting_new_tables, tell_done
from infrastructure.postgres.person_keys import fitting_person_keys
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.process import run_process, until_one_ends
from infrastructure.settings import Settings
from projections.damage_watch import watch_damage
from projections.indexing import keep_indexing
from projections.lag import read_lags
from projections.models import READ_MODELS, migrate
from projections.reading import Reading
from projections.rebuild import rebuild
from projections.runner import PROJECTED_CHANNEL, Pace, Runner
from projections.spoken_index import SpokenIndex
from projections.status import as_json_lines, as_table
from schemas.topics import Topics

ALL: Final = "all"
TELL_SECONDS: Final = 1.0


async def project(settings: Settings) -> None:
    brokers = await welcoming_brokers(settings)
    async with (
        await create_pool(settings.database_url, application_name="stenolog project", size_max=6) as pool,
        PostgresEventLog(pool, settings.partitions) as event_log,
    ):
        person_keys = await fitting_person_keys(pool, settings.master_keys)
        substitute = PostgresSubstitute(pool, settings.partitions)
        feed = KafkaEventFeed(brokers, Topics(settings.topic_prefix), substitute)
        leases = PostgresLeases(pool, PROJECT, settings.partitions, uuid4(), settings.lease_seconds)
        applied = asyncio.Event()
        runner = Runner(
            pool,
            feed,
            leases,
            list(READ_MODELS.values()),
            Reading(person_keys.of),
            channel=PROJECTED_CHANNEL,
            pace=Pace(renew_seconds=leases.renew_seconds),
            on_applied=applied.set,
            event_log=event_log,
        )
        watching = watch_damage(PostgresKafkaDamage(pool), brokers)
        open_objects = functools.partial(
            open_object_store, settings.object_store, encrypted=settings.require_encryption
        )
        indexing = keep_indexing(open_objects, SpokenIndex(pool), applied)
        try:
            await until_one_ends(*map(asyncio.create_task, (runner.run(), watching, indexing)))
        except asyncpg.UndefinedTableError as problem:
            raise DatabaseNotMigrated from problem
        finally:
            await feed.close()


async def migrate_tables(settings: Settings) -> None:
    """A read model of an older version is rebuilt, while the old table answers and is kept up to date."""
    async with (
        await create_pool(settings.database_url, application_name="stenolog migrate", size_max=4) as pool,
        PostgresEventLog(pool, settings.partitions) as event_log,
        pool.acquire() as connection,
    ):
        async with noting_new_tables(connection) as done:
            outdated = await migrate(connection)
        for projection in outdated:
            progress = _Progress(projection.name)
            reading = await _reading(pool, settings)
            await rebuild(connection, event_log, projection, reading, progress.tell)
            done.append(f"{projection.name} in version {projection.version}")
        tell_done("read models", done)


async def rebuild_tables(names: list[str], settings: Settings) -> None:
    """What is interrupted is dropped by the next rebuild; the live tables are untouched by it."""
    async with (
        await create_pool(settings.database_url, application_name="stenolog rebuild", size_max=3) as pool,
        PostgresEventLog(pool, settings.partitions) as event_log,
    ):
        reading = await _reading(pool, settings)
        for name in names:
            progress = _Progress(name)
            async with pool.acquire() as connection:
                await rebuild(connection, event_log, READ_MODELS[name], reading, progress.tell)
            progress.say("rebuilt and switched to")


async def _reading(pool: Pool, settings: Settings) -> Reading:
    """Raises InvalidSetting: nothing is begun without the keys that it takes."""
    return Reading((await fitting_person_keys(pool, settings.master_keys)).of)


async def show_status(as_json: bool, settings: Settings) -> None:
    async with (
        await create_pool(
            settings.database_url, application_name="stenolog projections", size_max=1
        ) as pool,
        pool.acquire() as connection,
    ):
        try:
            with rights_told():
                lags = await read_lags(connection, list(READ_MODELS))
        except asyncpg.UndefinedTableError as problem:
            raise DatabaseNotMigrated from problem
    print(as_json_lines(lags) if as_json else as_table(lags))  # noqa: T201  # what was asked for


class _Progress:
    def __init__(self, name: str) -> None:
        self._name = name
        self._next_at = 0.0
        self._folded = self._there = 0

    def tell(self, folded: int, there: int) -> None:
        self._folded, self._there = folded, there
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + TELL_SECONDS
            self.say("folding")

    def say(self, what: str) -> None:
        line = f"{self._name}: {self._folded:,} of {self._there:,} events, {what}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201  # for the person who waits


def main() -> int:
    arguments = _parser().parse_args()
    match arguments.action:
        case "migrate":
            return run_process(migrate_tables, ["database"])
        case "rebuild":
            names = list(READ_MODELS) if arguments.name == ALL else [arguments.name]
            return run_process(functools.partial(rebuild_tables, names), ["database"])
        case "status":
            return run_process(functools.partial(show_status, arguments.json), ["database"])
        case _:
            return run_process(project, ["database", "kafka"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m projections", description="The read models' process.")
    actions = parser.add_subparsers(dest="action")
    actions.add_parser("run", help="fold events from Kafka into the read models (the default)")
    actions.add_parser("migrate", help="create the tables that are missing")
    again = actions.add_parser("rebuild", help="build a read model anew from the log and switch to it")
    again.add_argument("name", choices=[*READ_MODELS, ALL])
    status = actions.add_parser("status", help="print where every projection stands, and what stops it")
    status.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
