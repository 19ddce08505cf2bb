"""`stenolog sink verify`: that what an analytics consumer wrote down is what the log holds."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from cli.events import database_url, json_option
from cli.progress import percent_bar
from cli.running import run_to_end
from cli.sink_verifying import Compared, verify_sink
from cli.up import data_option
from infrastructure.encryption import require_encryption
from infrastructure.postgres.errors import TableDetached
from infrastructure.settings import read_settings

DIFFERS: Final = 3
"""The exit code where sink and log part."""


@click.group()
def sink() -> None:
    """Compare what an analytics consumer wrote down with the event log."""


@sink.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@data_option
def verify(folder: Path, as_json: bool, data: Path) -> None:
    """Compare every row of the Parquet files in FOLDER with the log.

    Names the first event of each partition that is missing, has two rows, was changed, or is not in the log. The log is that of
    STENOLOG_DATABASE_URL, or else of the `stenolog up` that runs on the data folder.

    Exits 0 when all rows are as in the log, 3 when one is not, 1 or 2 when they could not be compared.
    """
    run_to_end(_verify(folder, as_json, data))


async def _verify(folder: Path, as_json: bool, data: Path) -> None:
    began = time.monotonic()
    if os.environ.get("STENOLOG_DATABASE_URL"):
        require_encryption(read_settings(), ["database"])
    with percent_bar("comparing") as on_percent:
        found = await verify_sink(
            folder,
            database_url(data),
            lambda done, of: on_percent(100 * done / max(of, 1), f"{done:,} events"),
        )
    for line in _as_json(found) if as_json else _as_text(found, time.monotonic() - began):
        click.echo(line)
    if any(each.difference for each in found):
        sys.exit(DIFFERS)
    if away := [each.partition for each in found if each.detached]:
        raise TableDetached(away)


def _as_text(found: Sequence[Compared], seconds: float) -> Sequence[str]:
    differences = [str(each.difference) for each in found if each.difference]
    rows = sum(each.rows for each in found)
    waiting = sum(max(0, each.events - each.rows) for each in found if not each.difference)
    verdict = f"{len(differences)} differences" if differences else "all as in the log"
    told = [f"compared {rows:,} rows in {seconds:.1f} s: {verdict}"]
    if waiting:
        told.append(f"{waiting:,} newer events of the log are not in the sink yet")
    return [*differences, *told, *map(_nothing_of, filter(_has_nothing, found))]


def _has_nothing(compared: Compared) -> bool:
    return not (compared.rows or compared.difference or compared.detached) and compared.events > 0


def _nothing_of(compared: Compared) -> str:
    """Nobody can tell files that were removed from those that are not written yet: the sink knows from them how far it is."""
    return (
        f"of partition {compared.partition} it has none of {compared.events:,} events: not written yet, or its files were removed; "
        "the next run of the sink writes them"
    )


def _as_json(found: Sequence[Compared]) -> Sequence[str]:
    return [msgspec.json.encode(each).decode() for each in found]
