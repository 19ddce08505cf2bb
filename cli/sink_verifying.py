"""Whether a sink holds each event of the log once, as it is: the first of each partition that differs is named."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from cli.audit import Connection, opened_log
from cli.parquet_rows import ParquetFile, Row, Unusable, expected_row, files_of, opened_database
from domain.log import Address, LogRecord
from infrastructure.postgres.queries import load_queries

_SQL: Final = load_queries(Path(__file__).with_name("sink.sql"))

Progress = Callable[[int, int], None]
"""Told how many of how many events are compared."""


class Difference(Struct, frozen=True):
    """The first event of a partition at which log and sink part."""

    partition: int
    seq: int
    kind: Literal["missing", "double", "changed", "unknown"]
    what: str

    def __str__(self) -> str:
        return f"event {Address(self.partition, self.seq)}: {self.kind}: {self.what}"


class Compared(Struct, frozen=True, kw_only=True):
    """Of one partition; `rows` were found as the log has them, up to the difference if there is one."""

    partition: int
    rows: int
    events: int
    difference: Difference | None
    detached: bool = False
    """Its table was taken out of the log, so that nothing could be compared."""


async def verify_sink(folder: Path, database_url: str, on_progress: Progress) -> Sequence[Compared]:
    """Every partition. Raises Unusable, or what `opened_log` raises."""
    files = files_of(folder)
    async with opened_log(database_url) as log:
        heads = {row["partition"]: row["seq"] for row in await log.fetch(_SQL["heads"])}
        away = {row["partition"] for row in await log.fetch(_SQL["detached"])}
        if strangers := sorted(files.keys() - heads.keys() - away):
            raise Unusable(f"the log has no partition {strangers[0]}: is {folder} of another log?")
        done, total, compared = 0, sum(heads.values()), []
        for partition in sorted(heads.keys() | away):
            comparison = Comparison(log, partition, partial(_tell, on_progress, done, total))
            difference = (
                None if partition in away else await comparison.difference(files.get(partition, ()))
            )
            done += comparison.rows
            compared.append(
                Compared(
                    partition=partition,
                    rows=comparison.rows,
                    events=heads.get(partition, 0),
                    difference=difference,
                    detached=partition in away,
                )
            )
        return compared


def _tell(on_progress: Progress, done: int, total: int, rows: int) -> None:
    on_progress(done + rows, total)


class Comparison:
    """The files of one partition beside the log, in order, some thousand rows at a time."""

    def __init__(self, log: Connection, partition: int, on_rows: Callable[[int], None]) -> None:
        self._log = log
        self._partition = partition
        self._on_rows = on_rows
        self.rows = 0

    async def difference(self, files: Sequence[ParquetFile]) -> Difference | None:
        with opened_database() as database:
            for file in files:
                for rows in file.rows(database):
                    if found := await self._difference(rows):
                        return found
                if self.rows < file.last:
                    what = f"{file.path.name} ends before it, and should hold it; remove the file and those after it, and start the sink again"
                    return Difference(self._partition, self.rows + 1, "missing", what)
        return None

    async def _difference(self, rows: Sequence[Row]) -> Difference | None:
        records = await self._following(len(rows))
        for row, record in zip(rows, [*records, *[None] * len(rows)], strict=False):
            if found := self._differs(row, record):
                return found
            self.rows += 1
        self._on_rows(self.rows)
        return None

    async def _following(self, count: int) -> Sequence[LogRecord]:
        rows = await self._log.fetch(_SQL["following"], self._partition, self.rows, count)
        return [LogRecord(**row) for row in rows]

    def _differs(self, row: Row, record: LogRecord | None) -> Difference | None:
        seq = self.rows + 1
        if row.seq < seq:
            return self._found(row.seq, "double", "it has two rows")
        if record is None:
            return self._found(
                row.seq, "unknown", f"the log ends at event {self.rows}; is this sink of another log?"
            )
        if row.seq > seq:
            return self._found(
                seq, "missing", f"the row after event {self.rows} is that of event {row.seq}"
            )
        expected = expected_row(record)
        changed = [name for name in Row.__struct_fields__ if getattr(row, name) != getattr(expected, name)]
        return (
            self._found(seq, "changed", f"{', '.join(changed)}: not what the log has") if changed else None
        )

    def _found(
        self, seq: int, kind: Literal["missing", "double", "changed", "unknown"], what: str
    ) -> Difference:
        return Difference(self._partition, seq, kind, what)
