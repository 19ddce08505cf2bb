"""Lines of CloudEvents as a Parquet file, by DuckDB, which is in `stenolog[parquet]` alone."""

import os
import tempfile
from pathlib import Path
from typing import Final

from cli.cloud_events import COLUMNS
from infrastructure.mendable import Mendable

MEMORY: Final = "256MB"
LINE_BYTES_MAX: Final = 8 << 20
"""DuckDB reserves twice as much. Kafka takes no event that is longer than an eighth of it."""


class NoParquet(Mendable):
    """It cannot be written here."""


def require_duckdb() -> None:
    """Raises NoParquet: before an export of hours, and not after it."""
    try:
        import duckdb  # noqa: F401, PLC0415  # optional, and large
    except ImportError:
        raise NoParquet(
            "Parquet is written by DuckDB, which is not installed: `pip install 'stenolog[parquet]'`, or take ndjson"
        ) from None


def write_parquet(lines: Path, parquet: Path) -> None:
    """In the order of the lines, with flat memory. Raises NoParquet."""
    import duckdb  # noqa: PLC0415  # as above

    with tempfile.TemporaryDirectory(prefix="stenolog-") as folder:
        # By a name of ours, since DuckDB reads patterns in names.
        source = Path(folder) / "lines.json"
        source.symlink_to(lines.resolve())
        with duckdb.connect(config={"memory_limit": MEMORY, "threads": "1"}) as database:
            try:
                database.execute(_copy(source, parquet))
            except duckdb.Error as problem:
                raise NoParquet(f"cannot write {parquet}: {str(problem).splitlines()[0]}") from problem
    with parquet.open("rb") as content:
        os.fsync(content.fileno())


def _copy(source: Path, parquet: Path) -> str:
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    read = (
        f"read_json('{source}', format = 'newline_delimited', columns = {{{columns}}}, "
        f"maximum_object_size = {LINE_BYTES_MAX})"
    )
    target = str(parquet.resolve()).replace("'", "''")
    return f"copy (select * from {read}) to '{target}' (format parquet, compression zstd, row_group_size 20480)"  # noqa: S608  # names of ours
