"""`stenolog events export`: the log, or some of it, as a file for other tools."""

from pathlib import Path
from uuid import UUID

import click
from msgspec import Struct, json

from cli.audit import tell_access
from cli.events import allowed_log, events
from cli.exporting import FORMATS, Asked, begun_or_new, question_of, write_lines
from cli.moments import MOMENT, Moment
from cli.parquet import require_duckdb, write_parquet
from cli.part_files import PartFile, digest_of
from cli.progress import late_bar
from cli.running import run_to_end
from cli.up import data_option


class Exported(Struct, frozen=True, kw_only=True):
    """A file that is whole."""

    file: str
    format: str
    events: int
    size_bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.events:,} events in {self.file}, {self.size_bytes:,} bytes\nsha256 {self.sha256}"


@events.command()
@click.option(
    "-o",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file to write.",
)
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="ndjson", show_default=True,
    help="CloudEvents 1.0 as lines of JSON, or the same as a Parquet table.",
)  # fmt: skip
@click.option("--person", type=click.UUID, help="Only what is recorded about the user with this id.")
@click.option(
    "--from", "since", type=MOMENT, help="Only from this moment on, the event at an address included."
)
@click.option("--until", type=MOMENT, help="Only up to this moment, included.")
@click.option("--json", "as_json", is_flag=True, help="Say what was written as a JSON object.")
@data_option
def export(
    *,
    output: Path,
    format_: str,
    person: UUID | None,
    since: Moment | None,
    until: Moment | None,
    as_json: bool,
    data: Path,
) -> None:
    """Write events to a file, partition by partition, each in order; then print how many, and the file's SHA-256.

    What is not whole yet is FILE.part. After a kill, a full disk or a database that went away, the same command goes on where it was,
    and the file has what the log had when the export was begun. A time is UTC unless it says otherwise; an address is
    one of its own partition, and then only that partition is exported.
    """
    asked = Asked(
        format=format_,
        person=person,
        since=str(since) if since else None,
        until=str(until) if until else None,
    )
    run_to_end(_export(PartFile(output), asked, since, until, as_json=as_json, data=data))


async def _export(
    part: PartFile, asked: Asked, since: Moment | None, until: Moment | None, *, as_json: bool, data: Path
) -> None:
    if asked.format == "parquet":
        require_duckdb()
    async with allowed_log(data) as log:
        question = begun_or_new(part, await question_of(log, asked, since, until))
        await tell_access(log, "export", str(asked))
        with part.growing() as lines, late_bar(f"exporting to {part.file.name}") as on_percent:
            await write_lines(log, question, lines, on_percent)
    exported = _end(part, asked.format, lines.count, lines.sha256)
    click.echo(json.encode(exported) if as_json else exported)


def _end(part: PartFile, format_: str, count: int, sha256: str) -> Exported:
    whole = part.part
    if format_ == "parquet":
        whole = part.file.with_name(f"{part.file.name}.part.parquet")
        write_parquet(part.part, whole)
        sha256 = digest_of(whole)
    size_bytes = whole.stat().st_size
    part.end(whole)
    return Exported(file=str(part.file), format=format_, events=count, size_bytes=size_bytes, sha256=sha256)
