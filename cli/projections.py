"""`stenolog projections`: how far the read models are behind the log, and which event stops one."""

import asyncio
import sys
from pathlib import Path

import click

from cli.events import database_url, json_option
from cli.running import run
from cli.up import data_option
from infrastructure.processes import product_environment


@click.command()
@json_option
@data_option
def projections(as_json: bool, data: Path) -> None:
    """Print where each projection stands in each partition: its lag, and the event that stops it, if one does.

    They are those of STENOLOG_DATABASE_URL, or else of the `stenolog up` that runs on the data folder.
    """
    run(_show(as_json, data))


async def _show(as_json: bool, data: Path) -> None:
    arguments = ["-m", "projections", "status", *(["--json"] if as_json else [])]
    environment = product_environment() | {"STENOLOG_DATABASE_URL": database_url(data)}
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment)
    if code := await process.wait():
        sys.exit(code)
