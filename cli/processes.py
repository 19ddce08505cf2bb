"""The commands that run one process of Stenolog each, for production."""

import asyncio
import os
import sys

import click

from cli.running import run
from infrastructure.encryption import require_encryption
from infrastructure.kafka.topics import provide_topics
from infrastructure.postgres.migrate import tell_done
from infrastructure.processes import MIGRATIONS, PROCESSES, product_environment
from infrastructure.settings import read_settings

_SETTINGS = "Settings come from STENOLOG_* variables. SIGTERM ends it cleanly, within 10 s."


def _become(*module: str) -> None:
    """Replaces this process, so that signals and the exit code are the module's own."""
    os.execve(sys.executable, [sys.executable, "-m", *module], product_environment())  # noqa: S606  # no shell


def _process_command(name: str, what: str) -> click.Command:
    return click.Command(name, callback=lambda: _become(PROCESSES[name]), help=f"{what}\n\n{_SETTINGS}")


process_commands = [
    _process_command("api", "Serve the HTTP API. Any number of these may run."),
    _process_command(
        "relay", "Send the event log to Kafka, exactly once. Any number may run and share the partitions."
    ),
    _process_command("project", "Fold events from Kafka into the read models. Any number may run."),
    _process_command(
        "dispatch", "Assign transcriptions to workers and take their reports. One leads, others stand by."
    ),
    _process_command(
        "work", "Transcribe what the dispatcher assigns. Any number may run; none needs the database."
    ),
]


@click.command()
def migrate() -> None:
    """Bring the database and the Kafka topics to this version; running it again is harmless.

    They are those of STENOLOG_DATABASE_URL and STENOLOG_KAFKA_BOOTSTRAP.
    """
    run(_migrate())


async def _migrate() -> None:
    settings = read_settings()
    require_encryption(settings, ["database", "kafka"])
    for module in MIGRATIONS:
        arguments = [sys.executable, "-m", *module]
        process = await asyncio.create_subprocess_exec(*arguments, env=product_environment())
        if code := await process.wait():
            sys.exit(code)
    tell_done("Kafka topics", await provide_topics(settings))


@click.command()
@click.argument("name")
def rebuild(name: str) -> None:
    """Rebuild the read model NAME from the event log while the old one goes on serving."""
    _become("projections", "rebuild", name)
