"""`stenolog up`: the whole system on this machine, until Ctrl-C."""

import asyncio
from pathlib import Path

import click

from cli.running import run, say
from embedded.stack_folder import Addresses, StackFolder
from embedded.system import running_system

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".stenolog"),
    show_default=True,
    help="Folder for everything the system keeps.",
)


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    envvar="STENOLOG_PORT",
    default=8000,
    show_default=True,
    help="Port of the HTTP API; 0 takes any that is free. Or STENOLOG_PORT.",
)
@data_option
def up(port: int, data: Path) -> None:
    """Run the whole system on this machine until Ctrl-C.

    PostgreSQL, Apache Kafka, a folder as object store and every process of Stenolog, none of which needs anything
    installed. What they keep stays in the data folder and is there again next time. STENOLOG_* variables are those
    of every process: what STENOLOG_DATABASE_URL, STENOLOG_KAFKA_BOOTSTRAP or STENOLOG_OBJECT_STORE name is used and
    not started, and the API listens on STENOLOG_HOST. STENOLOG_BROKER chooses between apache and noida.
    """
    run(_up(StackFolder(data), port))


async def _up(folder: StackFolder, port: int) -> None:
    try:
        async with running_system(folder, port, say) as addresses:
            click.echo(f"ready {addresses.api_url}")
            click.echo(_directions(addresses, folder))
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        say("stopped everything")
        raise


def _directions(addresses: Addresses, folder: StackFolder) -> str:
    return "\n".join(
        [
            f"API, to read and to try out  {addresses.api_url}/schema",
            f"Kafka                        {addresses.kafka_bootstrap}",
            f"PostgreSQL                   {_database(addresses.database_url, folder)}",
            f"object store                 {addresses.object_store}",
            f"logs                         {folder.logs}",
            "Ctrl-C stops everything.",
        ]
    )


def _database(url: str, folder: StackFolder) -> str:
    """Without the password."""
    public, _, server = url.rpartition("@")
    scheme, _, account = public.rpartition("://")
    user = account.partition(":")[0]
    named = f"{scheme}://{user}@{server}" if public else url
    password = folder.postgres / "password"
    ours = password.exists() and password.read_text(encoding="ascii") in url
    return f"{named} (password in {password})" if ours else named
