"""Stored histories, one for each released format: a log as it was written, and the read models that were made of it then."""

import shutil
import tempfile
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct
from msgspec.structs import fields

from domain.log import LogRecord
from infrastructure.master_keys import WrappedKey
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from projections.models import READ_MODELS as OF_TODAY
from schemas.sealing import Keys
from tests.infrastructure.postgres.old_log import NATIVE
from tests.keys import MASTER_KEYS

FOLDER: Final = Path(__file__).parent / "histories"
READ_MODELS: Final = tuple(OF_TODAY)

Rows: TypeAlias = Sequence[dict[str, Any]]


class History(Struct, frozen=True, kw_only=True):
    """`log` has the columns of the table of events of then; `read_models` the rows as PostgreSQL's JSON, by name.

    `migration` is the last that the log's database had, `person_keys` its keys of people, wrapped by tests.keys.MASTER_KEYS
    (`wrapped` in base64, null for who was erased).
    """

    migration: str
    partition_count: int
    log: Rows
    read_models: dict[str, Rows]
    person_keys: Rows = ()

    @property
    def records(self) -> Sequence[Sequence[Any]]:
        """The rows of the log as PostgreSQL takes them."""
        return [[_stored(name, value) for name, value in row.items()] for row in self.log]


def histories() -> Sequence[Path]:
    return sorted(FOLDER.glob("*.json"))


def read_history(path: Path) -> History:
    return msgspec.json.decode(path.read_bytes(), type=History)


def log_columns() -> Sequence[str]:
    return [field.name for field in fields(LogRecord)]


async def restore(pool: "asyncpg.Pool[Any]", history: History) -> None:
    """A database as an installation of then would have left it, and then brought up to date."""
    with tempfile.TemporaryDirectory() as folder:
        for file in LOG_MIGRATIONS.glob("*.sql"):
            if file.name <= history.migration:
                shutil.copy(file, folder)
        await migrate(pool, LOG_COMPONENT, Path(folder))
    await pool.execute("insert into log_settings (partition_count) values ($1)", history.partition_count)
    await pool.execute(
        "select create_partitions($1)"
        if history.migration >= NATIVE
        else "insert into log_partitions select generate_series(0, $1::int - 1)",
        history.partition_count,
    )
    await pool.copy_records_to_table("events", columns=list(history.log[0]), records=history.records)
    for key in history.person_keys:
        await pool.execute(
            "insert into person_keys (owner_id, master_key, wrapped, erased_at) "
            "values ($1, $2, $3::bytea, case when $3::bytea is null then now() end)",
            *(UUID(key["owner_id"]), key["master_key"], key["wrapped"] and b64decode(key["wrapped"])),
        )
    await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)


def keys_of(history: History) -> Keys:
    """Unwrapped; None for who was erased."""
    return {
        owner_id: MASTER_KEYS.unwrap(owner_id, WrappedKey(key["master_key"], b64decode(key["wrapped"])))
        if key["wrapped"]
        else None
        for key in history.person_keys
        for owner_id in [UUID(key["owner_id"])]
    }


def _stored(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "data":
        return value.encode()
    if name in ("owner_id", "event_id", "correlation_id", "causation_id"):
        return UUID(value)
    return datetime.fromisoformat(value) if name == "recorded_at" else value
