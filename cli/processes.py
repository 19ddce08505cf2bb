"""The commands that become one process of Stenolog each, for production."""

import os
import sys
from typing import Final

import click

from infrastructure.processes import PROCESSES, product_environment

_SETTINGS = "Settings come from STENOLOG_* variables. SIGTERM ends it cleanly, within 10 s."


REBUILT: Final = ("users", "quota", "files", "transcriptions", "spoken", "all")
"""The read models, which this module does not import: it becomes other processes."""
WORKERS_VARIABLE: Final = "STENOLOG_API_WORKERS"


def _become(*module: str) -> None:
    """Replaces this process, so that signals and the exit code are the module's own."""
    os.execve(sys.executable, [sys.executable, "-m", *module], product_environment())  # noqa: S606  # no shell


def _process_command(name: str, what: str) -> click.Command:
    return click.Command(name, callback=lambda: _become(PROCESSES[name]), help=f"{what}\n\n{_SETTINGS}")


@click.command(help=f"Serve the HTTP API. Any number of these may run.\n\n{_SETTINGS}")
@click.option(
    "--workers",
    metavar="N|auto",
    help="How many processes serve behind the one port; auto is one for each core. Or STENOLOG_API_WORKERS.",
)
def api(workers: str | None) -> None:
    if workers is not None:
        os.environ[WORKERS_VARIABLE] = workers
    _become(PROCESSES["api"])


relay = _process_command(
    "relay", "Send the event log to Kafka, exactly once. Any number may run and share the partitions."
)
project = _process_command("project", "Fold events from Kafka into the read models. Any number may run.")
dispatch = _process_command(
    "dispatch", "Assign transcriptions to workers and take their reports. One leads, others stand by."
)
work = _process_command(
    "work", "Transcribe what the dispatcher assigns. Any number may run; none needs the database."
)


@click.command(
    help="Seal the event log, so that a later change of it shows. Any number may run and share the partitions.\n\n"
    + _SETTINGS
)
@click.option(
    "--replace-lost-key",
    is_flag=True,
    help="Sign with a new key from now on although none that signed before is at hand. Tell whoever verifies.",
)
@click.option(
    "--republish",
    is_flag=True,
    help="First make all tiles anew from the log, if that still is what was sealed: for an object store that lost some.",
)
def seal(replace_lost_key: bool, republish: bool) -> None:
    chosen = {"--replace-lost-key": replace_lost_key, "--republish": republish}
    _become(PROCESSES["seal"], *(name for name, is_given in chosen.items() if is_given))


@click.command()
@click.argument("name", type=click.Choice(REBUILT))
def rebuild(name: str) -> None:
    """Rebuild a read model from the event log while the old one goes on serving; or all, one after the other."""
    _become("projections", "rebuild", name)
