"""`stenolog list`, `status`, `cancel` and `export`: what became of one's recordings."""

from pathlib import Path
from typing import Final, get_args
from uuid import UUID

import click
import msgspec

from cli.asking import api_options, ask
from cli.client import Client, Format
from cli.events import json_option
from cli.progress import percent_bar
from cli.running import complaining, print_result, printable, say
from cli.targets import require_free, write_result
from cli.transcribing import require_completed, wait_until_ended
from schemas.bodies import FileBody, TranscriptionBody

_STDOUT: Final = Path("-")
_file = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
_transcription = click.argument("transcription_id", metavar="TRANSCRIPTION", type=click.UUID)


@click.command("list")
@click.option(
    "-n", "count", type=click.IntRange(1), default=20, show_default=True, help="How many at most."
)
@json_option
@api_options
def list_recordings(url: str | None, email: str | None, count: int, as_json: bool) -> None:
    """Print your recordings, newest first: transcription, state, when, how long, name."""

    async def show(client: Client) -> None:
        left = count
        async for each in client.files():
            click.echo(msgspec.json.encode(each).decode() if as_json else _line(each))
            left -= 1
            if not left:
                return
        if left == count:
            say("no recordings yet")

    ask(url, email, show)


def _line(each: FileBody) -> str:
    minutes, seconds = divmod(round(each.duration_seconds), 60)
    transcription = str(each.transcription_id or "-")
    uploaded = each.upload_date.astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{transcription:<36}  {each.transcription_status:<11}  {uploaded}  {minutes:>4}:{seconds:02}  {printable(each.filename)}"


@click.command()
@_transcription
@json_option
@api_options
def status(url: str | None, email: str | None, transcription_id: UUID, as_json: bool) -> None:
    """Print how far TRANSCRIPTION is, by its id, which `stenolog list` shows."""

    async def show(client: Client) -> None:
        found = await client.transcription(transcription_id)
        click.echo(msgspec.json.encode(found).decode() if as_json else _state(found))

    ask(url, email, show)


def _state(found: TranscriptionBody) -> str:
    if found.status == "processing":
        return f"{found.status} {found.progress_percentage} %"
    return f"{found.status}: {found.failure_reason}" if found.failure_reason else found.status


@click.command()
@_transcription
@api_options
def cancel(url: str | None, email: str | None, transcription_id: UUID) -> None:
    """Stop TRANSCRIPTION, queued or running, and release its minutes; `stenolog list` shows the ids."""

    async def stop(client: Client) -> None:
        say((await client.cancel(transcription_id)).message)

    ask(url, email, stop)


@click.command()
@_transcription
@click.option("--format", "format_", type=click.Choice(get_args(Format)), default="txt", show_default=True)
@click.option("-o", "--output", type=_file, default=_STDOUT, help="A file.  [default: print it]")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--wait", is_flag=True, help="Until it is done, if it is not.")
@api_options
def export(
    *,
    url: str | None,
    email: str | None,
    transcription_id: UUID,
    format_: Format,
    output: Path,
    force: bool,
    wait: bool,
) -> None:
    """Print the text of TRANSCRIPTION, or write it to a file; `stenolog list` shows the ids."""

    async def fetch(client: Client) -> None:
        if wait:
            with percent_bar(f"transcribing {transcription_id}") as show:
                ended = await wait_until_ended(client, transcription_id, str(transcription_id), show)
            require_completed(ended, str(transcription_id))
        content = await client.export(transcription_id, format_)
        if output == _STDOUT:
            print_result(content)
            return
        write_result(output, content, force=force)
        say(f"wrote {output}")

    if output != _STDOUT:
        with complaining():
            require_free(output, force=force)
    ask(url, email, fetch)
