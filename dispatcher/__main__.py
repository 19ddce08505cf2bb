"""The dispatcher's process and its migration: `python -m dispatcher [run | migrate]`."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, Never
from uuid import uuid4

import asyncpg

from dispatcher.aligning import AlignmentDispatcher, AlignmentLimits
from dispatcher.alignments import PostgresAlignments
from dispatcher.dispatcher import Dispatcher, DispatchLimits
from dispatcher.erasing import Eraser, ErasureLimits
from dispatcher.erasures import CHANNEL, PostgresErasures
from dispatcher.expiring import keep_expiring
from dispatcher.leadership import FirstSlot, lead
from dispatcher.migration import QUEUE, migrate_dispatch_tables
from dispatcher.removals import REMOVALS, PostgresRemovals
from dispatcher.removing import RemovalLimits, Remover
from dispatcher.rewrapping import keep_rewrapping
from dispatcher.tables import PostgresDispatchTables
from domain.ports import ObjectStore, PersonKeys
from infrastructure.clock import SystemClock
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.failures import KafkaUnreachable
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.refusals import welcoming_brokers
from infrastructure.kafka.reports import ReportConsumer
from infrastructure.object_store import open_object_store
from infrastructure.postgres.errors import OUTAGES, DatabaseNotMigrated
from infrastructure.postgres.idempotency import IdempotencyKeys
from infrastructure.postgres.kafka_substitute import PostgresSubstitute
from infrastructure.postgres.leases import DISPATCH, PostgresLeases
from infrastructure.postgres.listener import Listener
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import noting_new_tables, tell_done
from infrastructure.postgres.person_keys import fitting_person_keys
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.retry import retried
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.process import run_process
from infrastructure.settings import Settings
from projections.reading import BLIND_READING
from projections.runner import Pace, Runner
from schemas.topics import Topics

START_SECONDS: Final = 30.0
READY_INTERVALS_MAX: Final = 3
"""A worker that missed so many announcements is not given work."""


async def dispatch(settings: Settings) -> None:
    """Every process folds its share of the queue; the one with the first partition leads, and the others stand by."""
    async with (
        await create_pool(settings.database_url, application_name="stenolog dispatch") as pool,
        open_object_store(settings.object_store, encrypted=settings.require_encryption) as objects,
        AsyncExitStack() as exits,
    ):
        await _require_tables(pool)
        person_keys = await fitting_person_keys(pool, settings.master_keys)
        store = PostgresEventStore(pool, settings.partitions, person_keys)
        await exits.enter_async_context(store)
        brokers = await welcoming_brokers(settings)
        dispatcher = _dispatcher(settings, brokers, pool, store)
        aligner = _aligner(settings, pool, store)
        eraser = _eraser(settings, pool, store, objects, person_keys)
        remover = _remover(settings, pool, objects)
        leases = PostgresLeases(pool, DISPATCH, settings.partitions, uuid4(), settings.lease_seconds)
        async with (
            Listener(pool, CHANNEL, lambda _: eraser.wake(), eraser.wake),
            asyncio.TaskGroup() as tasks,
        ):
            folding = _fold(settings, brokers, pool, leases, [dispatcher.wake, remover.wake])
            leading = lead(FirstSlot(leases), partial(_work, dispatcher, eraser, remover, aligner))
            tasks.create_task(folding, name="folding the queue")
            tasks.create_task(leading, name="leading")
            tasks.create_task(keep_rewrapping(person_keys), name="rewrapping")
            tasks.create_task(keep_expiring(IdempotencyKeys(pool)), name="expiring")


async def _work(
    dispatcher: Dispatcher, eraser: Eraser, remover: Remover, aligner: AlignmentDispatcher
) -> Never:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(dispatcher.run(), name="dispatching")
        tasks.create_task(eraser.run(), name="erasing")
        tasks.create_task(remover.run(), name="removing objects")
        tasks.create_task(aligner.run(), name="assigning alignments")
    raise AssertionError("no task ends without an error")


async def _require_tables(pool: Pool) -> None:
    try:
        tables = PostgresDispatchTables(pool)
        await retried(tables.report_offsets, START_SECONDS)
        await retried(tables.virtual_seconds, START_SECONDS)
        await retried(tables.drop_windows, START_SECONDS)
        await retried(partial(PostgresAlignments(pool).due, 0.0, [], 0.0), START_SECONDS)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as problem:
        raise DatabaseNotMigrated from problem


def _dispatcher(settings: Settings, brokers: Brokers, pool: Pool, store: PostgresEventStore) -> Dispatcher:
    tables = PostgresDispatchTables(pool)
    topics = Topics(settings.topic_prefix)

    async def open_reports() -> ReportConsumer:
        return ReportConsumer(brokers, topics, await tables.report_offsets())

    limits = DispatchLimits(
        lease_seconds=settings.attempt_lease_seconds,
        silence_seconds_max=READY_INTERVALS_MAX * settings.ready_interval_seconds,
        settle_seconds=settings.ready_interval_seconds / 2,
    )
    return Dispatcher(
        tables, store, SystemClock(), open_reports, limits=limits, outages=(*OUTAGES, KafkaUnreachable)
    )


def _aligner(settings: Settings, pool: Pool, store: PostgresEventStore) -> AlignmentDispatcher:
    limits = AlignmentLimits(
        lease_seconds=settings.attempt_lease_seconds,
        silence_seconds_max=READY_INTERVALS_MAX * settings.ready_interval_seconds,
    )
    return AlignmentDispatcher(
        PostgresAlignments(pool), store, SystemClock(), limits=limits, outages=OUTAGES
    )


def _eraser(
    settings: Settings, pool: Pool, store: PostgresEventStore, objects: ObjectStore, keys: PersonKeys
) -> Eraser:
    limits = ErasureLimits(settle_seconds=settings.erasure_settle_seconds)
    return Eraser(
        PostgresErasures(pool), store, objects, keys, SystemClock(), limits=limits, outages=OUTAGES
    )


def _remover(settings: Settings, pool: Pool, objects: ObjectStore) -> Remover:
    settled = settings.erasure_settle_seconds, *RemovalLimits().again_seconds[1:]
    limits = RemovalLimits(again_seconds=settled)
    return Remover(PostgresRemovals(pool), objects, limits=limits, outages=OUTAGES)


async def _fold(
    settings: Settings,
    brokers: Brokers,
    pool: Pool,
    leases: PostgresLeases,
    wakes: Sequence[Callable[[], None]],
) -> None:
    """The queue and what is to be removed; what is new of them catches up beside the other."""
    substitute = PostgresSubstitute(pool, settings.partitions)
    feed = KafkaEventFeed(brokers, Topics(settings.topic_prefix), substitute)

    def wake_all() -> None:
        for wake in wakes:
            wake()

    runner = Runner(
        pool,
        feed,
        leases,
        [QUEUE, REMOVALS],
        BLIND_READING,
        pace=Pace(renew_seconds=leases.renew_seconds),
        on_applied=wake_all,
        event_log=PostgresEventLog(pool, settings.partitions),
    )
    try:
        await runner.run()
    finally:
        await feed.close()


async def migrate(settings: Settings) -> None:
    async with await create_pool(
        settings.database_url, application_name="stenolog migrate", size_max=2
    ) as pool:
        async with pool.acquire() as connection, noting_new_tables(connection) as new:
            await migrate_dispatch_tables(pool)
        tell_done("queue", new)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dispatcher", description="The dispatcher's process.")
    actions = parser.add_subparsers(dest="action")
    actions.add_parser("run", help="assign transcriptions to workers and take their reports (the default)")
    actions.add_parser("migrate", help="create the tables that are missing")
    if parser.parse_args().action == "migrate":
        return run_process(migrate, ["database"])
    return run_process(dispatch, ["database", "kafka"])


if __name__ == "__main__":
    sys.exit(main())
