"""A log as the version before native partitions left it: one table, written with the SQL of that version."""

from collections.abc import Iterable
from pathlib import Path
from shutil import copy
from typing import Final

from msgspec.structs import astuple, fields

from domain.log import LogRecord
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import Connection, Pool

NATIVE: Final = "017_native_partitions.sql"
COLUMNS: Final = [field.name for field in fields(LogRecord)]
DIGEST: Final = f"""
select count(*) as count, md5(string_agg(md5(row({", ".join(COLUMNS)})::text), '' order by partition, seq)) as md5
from events
"""  # names of ours
"""Of every column of every row, in order."""


async def make_old_log(
    pool: Pool, partition_count: int, folder: Path, records: Iterable[LogRecord]
) -> None:
    """`folder` is an empty one, for the migrations up to then."""
    for path in LOG_MIGRATIONS.glob("*.sql"):
        if path.name < NATIVE:
            copy(path, folder)
    await migrate(pool, LOG_COMPONENT, folder)
    await pool.execute("insert into log_settings (partition_count) values ($1)", partition_count)
    await pool.execute(
        "insert into log_partitions (partition) select generate_series(0, $1::integer - 1)", partition_count
    )
    rows = [astuple(record) for record in records]
    await pool.copy_records_to_table("events", schema_name="public", columns=COLUMNS, records=rows)


async def digest(connection: Pool | Connection) -> tuple[int, str]:
    row = await connection.fetchrow(DIGEST)
    assert row is not None
    return row["count"], row["md5"]
