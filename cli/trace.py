"""`stenolog events trace`: what caused what, as a tree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import click
import msgspec

from cli.audit import tell_access
from cli.causes import Because, Node, correlation_of, traced, tree_of
from cli.events import allowed_log, events, json_option
from cli.moments import moment_of
from cli.running import printable, run_to_end
from cli.telling import as_json_line, sentence_of
from cli.up import data_option
from domain.log import Address

_INDENTS_MAX: Final = 12
_WORDS: Final[Mapping[Because | None, str]] = {
    None: "",
    "causation": "which caused: ",
    "request": "and with it: ",
    "stream": "then: ",
}


class CauseType(click.ParamType[UUID | Address]):
    name = "CORRELATION|ADDRESS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> UUID | Address:
        try:
            address = moment_of(value).address
        except ValueError:
            address = None
        try:
            return address or UUID(value)
        except ValueError:
            told = "give the id of a request or a transcription, or the address of an event such as 3:17"
            self.fail(f"{value!r} is neither a correlation nor an address: {told}", param, ctx)


@events.command()
@click.argument("correlation", type=CauseType(), metavar="CORRELATION|ADDRESS")
@json_option
@data_option
def trace(correlation: UUID | Address, as_json: bool, data: Path) -> None:
    """Print what caused what, as a tree: what a request did, and what followed from it.

    CORRELATION is the id of a request, which the API answers as X-Request-Id, or that of a transcription. Or give the
    ADDRESS of any event, which is found sooner: for a request alone the whole log is looked through.

    Where an event does not name its cause, that is the first event of its request, or else the one before it in its stream.
    """
    run_to_end(_trace(correlation, as_json, data))


async def _trace(asked: UUID | Address, as_json: bool, data: Path) -> None:
    async with allowed_log(data) as log:
        await tell_access(log, "trace", str(asked))
        tree = tree_of(await traced(log, await correlation_of(log, asked)))
    for node in tree:
        click.echo(_as_json(node) if as_json else _as_text(node))


def _as_text(node: Node) -> str:
    record, indent = node.record, "   " * min(node.depth, _INDENTS_MAX)
    moment = record.recorded_at.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    what = f"{indent}{_WORDS[node.because]}{sentence_of(record)}"
    where = f"{indent}{record.address}  {record.type}  {record.stream_id}  by {record.actor}"
    return printable(f"{moment}  {what}") + "\n" + printable(f"{'':23}  {where}")


def _as_json(node: Node) -> bytes:
    told = {
        "cause": str(node.cause.address) if node.cause else None,
        "because": node.because,
        "depth": node.depth,
        "event": msgspec.Raw(as_json_line(node.record).encode()),
    }
    return msgspec.json.encode(told)
