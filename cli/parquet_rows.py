"""The rows of a sink's Parquet files, a stretch at a time, as the log would have them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.log import LogRecord
from infrastructure.mendable import Mendable
from schemas.topics import type_header

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ABOUT: Final = "stenolog-sink.json"
"""Tells a sink's folder from others."""
FORMAT: Final = 1
ROWS_MAX: Final = 2_000
"""At once."""
_MEMORY: Final = "256MB"
_COLUMNS: Final = """
select
    partition, seq, type, event_id, epoch_us(recorded_at) as recorded_at, stream_id, version, owner_id, actor, correlation_id,
    causation_id, request_id, traceparent, data
from read_parquet($path)
"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Unusable(Mendable):
    """What is there cannot be compared with the log."""


class Row(Struct, frozen=True, kw_only=True):
    """As it stands in the file; `type` is the name with its version, as in the topic."""

    partition: int
    seq: int
    type: str
    event_id: UUID
    recorded_at: datetime
    stream_id: str
    version: int
    owner_id: UUID
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    request_id: str | None
    traceparent: str | None
    data: str


class _About(Struct):
    format: int
    topic: str


class ParquetFile(Struct, frozen=True):
    """A stretch of one partition: the name says which."""

    path: Path
    first: int
    last: int

    def rows(self, database: "DuckDBPyConnection") -> Iterator[Sequence[Row]]:
        """In the order in which they stand there. Raises Unusable."""
        import duckdb  # noqa: PLC0415

        try:
            found = database.execute(_COLUMNS, {"path": str(self.path)})
            while fetched := found.fetchmany(ROWS_MAX):
                yield [_row(each) for each in fetched]
        except (duckdb.Error, OSError, msgspec.ValidationError) as problem:
            why = str(problem).partition("\n")[0]
            raise Unusable(
                f"{self.path} cannot be read ({why}): remove it and the files after it in its folder, and start the "
                "sink again, which writes them anew"
            ) from problem


def opened_database() -> "DuckDBPyConnection":
    """Raises Unusable where DuckDB is not installed."""
    try:
        import duckdb  # noqa: PLC0415
    except ImportError:
        raise Unusable(
            "Parquet is read with DuckDB, which is not installed here: `pip install duckdb`"
        ) from None
    return duckdb.connect(config={"memory_limit": _MEMORY, "threads": 1})


def files_of(folder: Path) -> Mapping[int, Sequence[ParquetFile]]:
    """By partition, in the order of their names. Raises Unusable for what is no sink's folder."""
    about = folder / ABOUT
    try:
        found = msgspec.json.decode(about.read_bytes(), type=_About)
    except OSError:
        raise Unusable(f"{folder} is no sink's folder: it has no {ABOUT}") from None
    except msgspec.MsgspecError:
        raise Unusable(f"{about} is damaged: write back what was in it, or fill a new folder") from None
    if found.format != FORMAT:
        raise Unusable(f"{folder} has format {found.format}, and this version reads {FORMAT}")
    return {int(each.name): _files(each) for each in sorted(folder.iterdir()) if each.name.isdecimal()}


def expected_row(record: LogRecord) -> Row:
    """What a sink makes of an event of the log."""
    fields = msgspec.structs.asdict(record) | {
        "type": type_header(record.type, record.schema_version),
        "data": record.data.decode(),
    }
    return Row(**{name: fields[name] for name in Row.__struct_fields__})


def _files(folder: Path) -> Sequence[ParquetFile]:
    return [_named(path) for path in sorted(folder.glob("*.parquet"))]


def _named(path: Path) -> ParquetFile:
    first, _, last = path.stem.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise Unusable(f"{path} is no file of a sink, which are named FIRST-LAST.parquet: move it away")
    return ParquetFile(path, int(first), int(last))


def _row(values: tuple[Any, ...]) -> Row:
    """Raises ValidationError where a value is of another kind, or missing."""
    fields = dict(zip(Row.__struct_fields__, values, strict=True))
    if isinstance(fields["recorded_at"], int):
        fields["recorded_at"] = _EPOCH + timedelta(microseconds=fields["recorded_at"])
    return msgspec.convert(fields, Row)
