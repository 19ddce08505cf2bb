"""Verification on all cores: stretches of the log are compared in processes, and put together in this one."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AsyncExitStack, contextmanager
from multiprocessing import active_children, get_context, parent_process
from os import cpu_count
from threading import Thread
from typing import Final

import uvloop
from msgspec import Struct

from cli.audit import opened_log, tell_access
from domain.ports import ObjectStore
from evidence.checkpoints import Checkpoint, claimed_checkpoint, origin_of, verified_checkpoint
from evidence.comparing import Compared, Comparison, Stretch, stretches
from evidence.findings import Finding
from evidence.notes import MalformedNote, NotSigned, VerifierKey
from evidence.published import PublishedTiles
from evidence.tables import EvidenceTables
from evidence.verifying import Assembly, Seal, prefix_findings, seal_of
from infrastructure.mendable import Mendable
from infrastructure.object_store import open_object_store
from infrastructure.process import collect_rarely

PROCESSES_MAX: Final = 16

Progress = Callable[[int, int], None]
"""Told how many of how many events are compared."""


class Places(Struct, frozen=True, kw_only=True):
    """Where the log and its tiles are."""

    database_url: str
    object_store: str


class Kept(Struct, frozen=True):
    """A checkpoint that somebody has kept, in a file."""

    name: str
    note: str


class UnusableCheckpoint(Mendable):
    def __init__(self, kept: Kept, why: object) -> None:
        super().__init__(f"{kept.name}: {why}")


class NotCompared(Mendable):
    """What a process that compares says of what kept it from that."""


class WorkerLost(Mendable):
    def __init__(self) -> None:
        super().__init__(
            "a process that compared was killed, for want of memory perhaps: nothing is known; try again with --processes 1"
        )


class Verified(Struct, frozen=True, kw_only=True):
    """Of one partition."""

    partition: int
    events: int
    sealed: int
    root: str
    findings: Sequence[Finding]
    detached: bool = False
    """Its table was taken out of the log, so that its events were not looked at."""


async def verify(
    places: Places,
    *,
    keys: Sequence[VerifierKey] = (),
    kept: Sequence[Kept] = (),
    processes: int | None = None,
    on_progress: Progress = lambda _done, _of: None,
) -> Sequence[Verified]:
    """Every partition of the log. Without `keys` those of the database are trusted. Raises UnusableCheckpoint."""
    async with (
        opened_log(places.database_url) as log,
        open_object_store(places.object_store, read_only=True) as objects,
    ):
        await tell_access(log, "verify", "all")
        tables = EvidenceTables(log)
        before = [await _checkpoint_of(each, tables, keys) for each in kept]
        seals = await _seals(tables, objects, keys)
        away = await tables.detached()
        found = {seal.partition: list(seal.findings) for seal in seals}
        there = [seal for seal in seals if seal.partition not in away]
        for assembly in await _compared(places, objects, there, processes, on_progress):
            found[assembly.partition] += await assembly.end()
        for partition, checkpoint in before:
            tiles = PublishedTiles(objects, partition)
            found[partition] += await prefix_findings(
                partition, checkpoint, _checkpoint(seals, partition), tiles
            )
        if astray := await tables.astray(len(seals)):
            what = f"an event {astray} is in the table, where no reader looks; delete it once you know who wrote it"
            found[0].append(Finding(partition=astray.partition, kind="inserted", what=what, seq=astray.seq))
        return [
            await _verified(tables, seal, found[seal.partition], detached=seal.partition in away)
            for seal in seals
        ]


async def _checkpoint_of(
    kept: Kept, tables: EvidenceTables, keys: Sequence[VerifierKey]
) -> tuple[int, Checkpoint]:
    installation_id = await tables.installation_id()
    try:
        origin = claimed_checkpoint(kept.note).origin
        for partition in range(await tables.partition_count()):
            if origin == origin_of(installation_id, partition):
                trusted = keys or await tables.keys(partition)
                return partition, verified_checkpoint(kept.note, trusted)
    except MalformedNote as problem:
        raise UnusableCheckpoint(kept, problem) from problem
    except NotSigned as problem:
        raise UnusableCheckpoint(kept, f"{problem}; give the key that signed it with --key") from problem
    raise UnusableCheckpoint(
        kept, f"this is a checkpoint of {origin}, and the log here is stenolog/{installation_id}"
    )


async def _seals(
    tables: EvidenceTables, objects: ObjectStore, keys: Sequence[VerifierKey]
) -> Sequence[Seal]:
    installation_id = await tables.installation_id()
    seals = []
    for partition in range(await tables.partition_count()):
        trusted = keys or await tables.keys(partition)
        tiles = PublishedTiles(objects, partition)
        published = (
            await tiles.checkpoint()
        )  # Before the row, which comes first: so it is never the newer one.
        latest = await tables.latest(partition)
        origin = origin_of(installation_id, partition)
        seals.append(
            await seal_of(partition, origin, latest, published=published, tiles=tiles, keys=trusted)
        )
    return seals


def _checkpoint(seals: Sequence[Seal], partition: int) -> Checkpoint | None:
    return next((seal.checkpoint for seal in seals if seal.partition == partition), None)


async def _verified(
    tables: EvidenceTables, seal: Seal, findings: Sequence[Finding], *, detached: bool
) -> Verified:
    return Verified(
        partition=seal.partition,
        events=await tables.head(seal.partition),
        sealed=seal.checkpoint.size if seal.checkpoint else 0,
        root=seal.checkpoint.root.hex() if seal.checkpoint else "",
        findings=findings,
        detached=detached,
    )


async def _compared(
    places: Places,
    objects: ObjectStore,
    seals: Sequence[Seal],
    processes: int | None,
    on_progress: Progress,
) -> Sequence[Assembly]:
    """The trees that the events make, with nothing left to add."""
    work = {
        seal.partition: Assembly(seal.partition, seal.checkpoint, PublishedTiles(objects, seal.partition))
        for seal in seals
        if seal.checkpoint
    }
    parts = [
        stretch
        for seal in seals
        if seal.checkpoint
        for stretch in stretches(seal.partition, seal.checkpoint.size, seal.checkpoint.root)
    ]
    done, total = 0, sum(stretch.end - stretch.start for stretch in parts)
    count = min(processes or cpu_count() or 1, PROCESSES_MAX, max(1, len(parts)))
    with _workers(places, count) as workers:
        answers = [workers.submit(_compare, stretch) for stretch in parts]
        for stretch, answer in zip(parts, answers, strict=True):
            await work[stretch.partition].add(await asyncio.wrap_future(answer))
            done += stretch.end - stretch.start
            on_progress(done, total)
    return list(work.values())


@contextmanager
def _workers(places: Places, count: int) -> Iterator[ProcessPoolExecutor]:
    """Spawned: a forked one would have our loop, and our connections. Raises WorkerLost."""
    others = active_children()
    workers = ProcessPoolExecutor(count, get_context("spawn"), _begin, (places,))
    try:
        yield workers
    except BaseException as problem:
        for process in active_children():
            if process not in others:
                process.terminate()  # Nobody waits for a database that does not answer.
        if isinstance(problem, BrokenProcessPool):
            raise WorkerLost from None
        raise
    finally:
        workers.shutdown(cancel_futures=True)


class _Worker:
    """What each process keeps open between two stretches, from the first on."""

    runner: asyncio.Runner
    places: Places
    open: AsyncExitStack | None = None
    """Held for as long as the process lives."""
    rows: EvidenceTables
    objects: ObjectStore


def _begin(places: Places) -> None:
    """Nothing in here may fail: whoever waits for us would only hear that a process is gone, and not why."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A Ctrl-C is for the process that ends us.
    Thread(target=_end_with_parent, daemon=True).start()
    collect_rarely()
    _Worker.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    _Worker.places = places


def _end_with_parent() -> None:
    """After a kill -9 of the other process nobody else would end us."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


async def _connect(places: Places) -> None:
    stack = AsyncExitStack()
    _Worker.rows = EvidenceTables(await stack.enter_async_context(opened_log(places.database_url)))
    _Worker.objects = await stack.enter_async_context(
        open_object_store(places.object_store, read_only=True)
    )
    _Worker.open = stack


def _compare(stretch: Stretch) -> Compared:
    """Raises NotCompared, which finds its way to the other process whatever was the problem."""
    try:
        return _Worker.runner.run(_compared_here(stretch))
    except Mendable as problem:
        raise NotCompared(str(problem)) from None


async def _compared_here(stretch: Stretch) -> Compared:
    if _Worker.open is None:
        await _connect(_Worker.places)
    return await Comparison(
        _Worker.rows, PublishedTiles(_Worker.objects, stretch.partition), stretch
    ).compare()
