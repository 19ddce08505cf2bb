"""`stenolog transcribe`: recordings up, transcripts down, over the public HTTP API."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
from msgspec import Struct

from cli.asking import api_options
from cli.client import ApiUnreachable, Client, Format, LoginOver
from cli.events import json_option
from cli.login import Access, find_access, opened
from cli.progress import Bar, percent_bars
from cli.running import INTERRUPTED_CODE, complaining, print_result, printable, run, say
from cli.sending import text_of
from cli.targets import NotWritten, ResultExists, targets_of, write_result
from cli.transcribing import PATIENCE_SECONDS, Followed, Wishes, follow, patiently
from domain.errors import InvalidField
from domain.instructions import instructions_of
from infrastructure.mendable import Mendable
from infrastructure.process import leaves

STDOUT = Path("-")
JOBS_MAX = 16

_existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_folder = click.Path(file_okay=False, allow_dash=True, path_type=Path)


class SomeFailed(Mendable):
    def __init__(self, failed: int, total: int) -> None:
        super().__init__(
            f"{failed} of {total} recordings have no transcript; what went wrong is said above"
        )


class Result(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one recording, for programs."""

    file: str
    transcription_id: str = ""
    output: str = ""
    error: str = ""


class Order(Struct, frozen=True, kw_only=True):
    """What one call is to do with each recording; without a target its text goes to standard output."""

    targets: Mapping[Path, Path]
    format_: Format
    wishes: Wishes
    force: bool
    as_json: bool


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_existing_file)
@click.option("--format", "format_", type=click.Choice(get_args(Format)), default="txt", show_default=True)
@click.option("--language", metavar="TAG", help="What is spoken, such as de.  [default: it is detected]")
@click.option("--translate", is_flag=True, help="Into English, whatever is spoken.")
@click.option("--prompt", default="", help="Text as it might come before the recording.")
@click.option("--vocabulary", metavar="TERM", multiple=True, help="A name or term in it; again for more.")
@click.option(
    "-o", "--output", type=_folder, default=Path(), help="Folder for the results, or -.  [default: here]"
)
@click.option("--force", is_flag=True, help="Replace results that are there.")
@click.option(
    "--jobs", type=click.IntRange(1, JOBS_MAX), default=1, show_default=True, help="How many at once."
)
@click.option("--register", is_flag=True, help="Make the account first, unless there is one.")
@json_option
@api_options
def transcribe(
    *,
    files: Sequence[Path],
    output: Path,
    format_: Format,
    force: bool,
    as_json: bool,
    jobs: int,
    **given: Any,
) -> None:
    """Transcribe each FILE; the result gets FILE's name with the ending of the format.

    It goes on after one that fails, and then ends with 1. Ctrl-C ends with 130; what was requested goes on, and is
    named. Who you are is what `stenolog login` keeps, or STENOLOG_EMAIL and STENOLOG_PASSWORD, or asked for.
    """
    if output == STDOUT and (as_json or len(files) > 1):
        raise click.UsageError("--output - is for one FILE, and not with --json: both would be mixed up")
    wishes = Wishes(
        language=given["language"],
        task="translate" if given["translate"] else "transcribe",
        prompt=given["prompt"],
        vocabulary=tuple(given["vocabulary"]),
    )
    _require_sense(wishes)
    with complaining():
        targets = {} if output == STDOUT else targets_of(files, output, format_, force=force)
        access = find_access(given["url"], given["email"], register=given["register"])
    order = Order(targets=targets, format_=format_, wishes=wishes, force=force, as_json=as_json)
    run(_transcribe(files, access, order, jobs), interrupted_code=INTERRUPTED_CODE)


def _require_sense(wishes: Wishes) -> None:
    """As the API does once the recording is there: sooner costs less. Raises UsageError."""
    try:
        instructions_of(**msgspec.structs.asdict(wishes))
    except InvalidField as problem:
        raise click.UsageError(str(problem)) from None


async def _transcribe(files: Sequence[Path], access: Access, order: Order, jobs: int) -> None:
    followed = [Followed(file=file) for file in files]
    turn = asyncio.Semaphore(jobs)
    try:
        async with opened(access, PATIENCE_SECONDS) as client:
            with percent_bars() as bar:
                done = await _all(client, followed, order, turn, bar)
    except asyncio.CancelledError:
        _tell_what_goes_on(followed)
        raise
    except ExceptionGroup as problems:
        _tell_what_goes_on([each for each in followed if each.transcription_id])
        if gone := problems.subgroup(BrokenPipeError):  # As of any command whose reader has gone.
            raise leaves(gone)[0] from None
        raise
    if len(files) == 1 and not done[0]:
        sys.exit(1)  # All that there is to say was said.
    if failed := done.count(False):
        raise SomeFailed(failed, len(files))


async def _all(
    client: Client, followed: Sequence[Followed], order: Order, turn: asyncio.Semaphore, bar: Bar
) -> Sequence[bool]:
    async def in_turn(each: Followed) -> bool:
        async with turn:
            return await _one(client, each, order, bar)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_turn(each)) for each in followed]
    return [task.result() for task in tasks]


async def _one(client: Client, followed: Followed, order: Order, bar: Bar) -> bool:
    """Whether it has a transcript. Raises LoginOver, which is true of all of them."""
    try:
        transcription_id = await follow(client, followed, order.wishes, bar)
        content = await patiently(followed.name, lambda: client.export(transcription_id, order.format_))
        _hand_over(followed, content, order)
    except LoginOver:
        raise
    except Mendable as problem:
        _tell_failure(followed, problem, order)
        followed.is_done = True
        return False
    followed.is_done = True
    return True


def _hand_over(followed: Followed, content: bytes, order: Order) -> None:
    target = order.targets.get(followed.file)
    if target is None:
        print_result(content)
        return
    write_result(target, content, force=order.force)
    if order.as_json:
        _print(followed, output=text_of(target))
    else:
        say(f"wrote {printable(str(target))}")


def _tell_failure(followed: Followed, problem: Exception, order: Order) -> None:
    text = printable(str(problem))
    say(text if text.startswith(followed.name) else f"{followed.name}: {text}")
    if followed.transcription_id and isinstance(problem, ResultExists | NotWritten | ApiUnreachable):
        say(
            f"{followed.name}: nothing is lost: `stenolog export {followed.transcription_id} --wait` gets its text"
        )
    if order.as_json:
        _print(followed, error=text)


def _print(followed: Followed, *, output: str = "", error: str = "") -> None:
    result = Result(
        file=text_of(followed.file),
        transcription_id=str(followed.transcription_id or ""),
        output=output,
        error=error,
    )
    click.echo(msgspec.json.encode(result).decode())


def _tell_what_goes_on(followed: Sequence[Followed]) -> None:
    for each in followed:
        if not each.is_done:
            say(_what_goes_on(each))


def _what_goes_on(each: Followed) -> str:
    if each.transcription_id is None:
        return f"{each.name} was not requested: give it again"
    return (
        f"{each.name} goes on as {each.transcription_id}: `stenolog export {each.transcription_id} --wait` gets it, "
        f"`stenolog cancel {each.transcription_id}` stops it"
    )
