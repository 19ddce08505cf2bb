"""The log, or some of it, into a file that is whole or not there."""

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from cli.audit import (
    Connection,
    find_streams,
    following,
    heads_of,
    installation_id,
    owner_batches,
    partition_count,
    require_all,
)
from cli.cloud_events import line_of, place_of
from cli.moments import Moment, missing, require_address, seq_by
from cli.part_files import Lines, PartFile, UnusableFile
from cli.progress import OnPercent
from domain.log import Address, LogRecord
from domain.user import USER
from infrastructure.mendable import Mendable
from schemas.partitions import partition_of

FORMATS: Final = ("ndjson", "parquet")


class NothingToExport(Mendable):
    """The range has no place in it."""


class Asked(Struct, frozen=True, kw_only=True):
    """What somebody wants: all of the log, or one person's events, or a range of it."""

    format: str = "ndjson"
    person: UUID | None = None
    since: str | None = None
    until: str | None = None

    def __str__(self) -> str:
        who = "all" if self.person is None else f"person {self.person}"
        bounds = [f" {word} {at}" for word, at in (("from", self.since), ("until", self.until)) if at]
        return who + "".join(bounds)


class Stretch(Struct, frozen=True):
    """The events of a partition after `after_seq`, up to `last_seq`."""

    partition: int
    after_seq: int
    last_seq: int


class Question(Struct, frozen=True, kw_only=True):
    """Written down when an export begins: where each partition ended then, whatever is appended meanwhile."""

    log: UUID
    asked: Asked
    stretches: tuple[Stretch, ...]


async def question_of(
    log: Connection, asked: Asked, since: Moment | None, until: Moment | None
) -> Question:
    """Raises NoSuchEvent, NoSuchStream, NothingToExport, or TableDetached where a partition that belongs to it is away."""
    heads = dict(await heads_of(log))
    for moment in (since, until):
        if moment is not None and moment.address is not None:
            await require_address(log, heads, moment.address)
    named = {moment.address.partition for moment in (since, until) if moment and moment.address}
    if len(named) > 1:
        raise NothingToExport("--from and --until are in two partitions: give addresses of one, or times")
    count = await partition_count(log)
    wanted = named or set(range(count))
    if asked.person is not None:
        wanted &= {partition_of(asked.person, count)}
    if wanted - heads.keys():
        await require_all(log)
    stretches = [
        await _stretch(log, partition, heads[partition], since, until) for partition in sorted(wanted)
    ]
    if _is_empty(stretches, since, until):
        raise NothingToExport(
            "nothing can lie in that range: --from is after --until, or of another person"
        )
    if asked.person is not None:
        await find_streams(log, USER.stream_id(asked.person))
    return Question(log=await installation_id(log), asked=asked, stretches=tuple(stretches))


def _is_empty(stretches: Sequence[Stretch], since: Moment | None, until: Moment | None) -> bool:
    """By what was asked, and not since nothing happened in that time."""
    if not stretches or any(each.after_seq > each.last_seq for each in stretches):
        return True
    return bool(since and until and since.at and until.at and since.at > until.at)


async def _stretch(
    log: Connection, partition: int, head: int, since: Moment | None, until: Moment | None
) -> Stretch:
    after = await _edge(log, partition, head, since, including=False) if since else 0
    last = await _edge(log, partition, head, until, including=True) if until else head
    return Stretch(partition, after, last)


async def _edge(log: Connection, partition: int, head: int, moment: Moment, *, including: bool) -> int:
    """The last seq before the moment, or the last that belongs to it."""
    if moment.address is not None:
        return moment.address.seq if including else moment.address.seq - 1
    assert moment.at is not None
    return await seq_by(log, partition, head, moment.at, including=including)


def begun_or_new(part: PartFile, question: Question) -> Question:
    """What the part that is there was begun with, or this. Raises UnusableFile where that is another export."""
    content = part.begun()
    if content is None:
        part.begin(msgspec.json.encode(question))
        return question
    try:
        begun = msgspec.json.decode(content, type=Question)
    except msgspec.DecodeError as problem:
        raise UnusableFile(f"nobody knows what {part.part} is a part of: remove it") from problem
    if (begun.log, begun.asked) != (question.log, question.asked):
        where = "" if begun.log == question.log else " of another log"
        raise UnusableFile(
            f"{part.part} is part of another export{where} ({begun.asked}, {begun.asked.format}): go on with that one, or remove it"
        )
    return begun


async def write_lines(log: Connection, question: Question, lines: Lines, on_percent: OnPercent) -> None:
    """What is not there yet, to the end. Raises NoSuchEvent where the log has a gap, or UnusableFile."""
    at = _place(lines)
    total = max(1, sum(each.last_seq - each.after_seq for each in question.stretches))
    done = 0
    for stretch in question.stretches:
        size = stretch.last_seq - stretch.after_seq
        if at is not None and at.partition > stretch.partition:
            done += size
            continue
        after = at.seq if at is not None and at.partition == stretch.partition else stretch.after_seq
        async for seq, records in _records(log, question.asked.person, stretch, after):
            for record in records:
                lines.write(line_of(record))
            on_percent(100 * (done + seq - stretch.after_seq) / total, "")
        done += size


def _place(lines: Lines) -> Address | None:
    """Of the last event that is there. Raises UnusableFile."""
    try:
        return Address(*place_of(lines.last)) if lines.last else None
    except (msgspec.DecodeError, ValueError) as problem:
        raise UnusableFile("what is there of the export ends with no event of ours: remove it") from problem


async def _records(
    log: Connection, person: UUID | None, stretch: Stretch, after: int
) -> AsyncIterator[tuple[int, Sequence[LogRecord]]]:
    """With the seq up to which the stretch is done."""
    if person is not None:
        async for seq, records in owner_batches(log, stretch.partition, person, stretch.last_seq, after):
            yield seq, records
        return
    while after < stretch.last_seq:
        records = await following(log, stretch.partition, after, stretch.last_seq)
        _require_contiguous(stretch.partition, after, records)
        after = records[-1].seq
        yield after, records


def _require_contiguous(partition: int, after: int, records: Sequence[LogRecord]) -> None:
    """Raises NoSuchEvent: what has a gap is not all."""
    for seq, record in enumerate(records, after + 1):
        if record.seq != seq:
            raise missing(Address(partition, seq))
    if not records:
        raise missing(Address(partition, after + 1))
