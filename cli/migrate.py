"""`stenolog migrate`: the database and the Kafka topics in the shape of this version."""

import asyncio
import sys

import click

from cli.running import run
from infrastructure.encryption import require_encryption
from infrastructure.kafka.topics import provide_topics
from infrastructure.postgres.migrate import tell_done
from infrastructure.processes import MIGRATE, product_environment
from infrastructure.settings import read_settings


@click.command()
def migrate() -> None:
    """Bring the database and the Kafka topics to this version; running it again is harmless.

    They are those of STENOLOG_DATABASE_URL and STENOLOG_KAFKA_BOOTSTRAP.
    """
    run(_migrate())


async def _migrate() -> None:
    settings = read_settings()
    require_encryption(settings, ["database", "kafka"])
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", MIGRATE, env=product_environment())
    if code := await process.wait():
        sys.exit(code)
    tell_done("Kafka topics", await provide_topics(settings))
