"""`stenolog transcribe`: recordings up, transcripts down, over the public HTTP API."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click

from cli.client import Format, opened_client
from cli.running import run, say
from cli.transcribing import register_unless_known, transcribe_file
from infrastructure.mendable import Mendable

_existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_folder = click.Path(file_okay=False, path_type=Path)


class ResultExists(Mendable):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists: remove it, or choose another folder with --output")


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_existing_file)
@click.option("--format", "format_", type=click.Choice(get_args(Format)), default="txt", show_default=True)
@click.option(
    "--url", envvar="STENOLOG_URL", default="http://127.0.0.1:8000", show_default=True, help="The API."
)
@click.option("--email", envvar="STENOLOG_EMAIL", prompt=True, help="Your account; or STENOLOG_EMAIL.")
@click.option("--register", is_flag=True, help="Make the account first, unless there is one.")
@click.option("--output", type=_folder, default=Path(), help="Folder for the results.  [default: here]")
def transcribe(
    *, files: Sequence[Path], format_: Format, url: str, email: str, register: bool, output: Path
) -> None:
    """Transcribe each FILE; the result gets FILE's name with the ending of the format.

    The password is taken from STENOLOG_PASSWORD, or asked for.
    """
    run(_transcribe(files, format_, url, (email, _password()), register=register, output=output))


def _password() -> str:
    """Never an argument: everybody on the machine can read those."""
    return os.environ.get("STENOLOG_PASSWORD") or str(click.prompt("Password", hide_input=True, err=True))


async def _transcribe(
    files: Sequence[Path],
    format_: Format,
    url: str,
    credentials: tuple[str, str],
    *,
    register: bool,
    output: Path,
) -> None:
    targets = [_free_target(output / f"{file.stem}.{format_}") for file in files]
    async with opened_client(url) as client:
        if register:
            await register_unless_known(client, *credentials)
        await client.log_in(*credentials)
        for file, target in zip(files, targets, strict=True):
            transcription_id = await transcribe_file(client, file)
            target.write_bytes(await client.export(transcription_id, format_))
            say(f"wrote {target}")


def _free_target(target: Path) -> Path:
    """Asked before anything is uploaded. Raises ResultExists."""
    if target.exists():
        raise ResultExists(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
