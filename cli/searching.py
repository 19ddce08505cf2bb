"""`stenolog search`: where in one's recordings something is said, and when."""

import click
import msgspec

from cli.asking import api_options, ask
from cli.client import Client
from cli.events import json_option
from cli.running import printable, say
from schemas.bodies import FoundBody, SnippetBody


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option(
    "-n", "count", type=click.IntRange(1), default=10, show_default=True, help="Recordings at most."
)
@json_option
@api_options
def search(
    *, url: str | None, email: str | None, words: tuple[str, ...], count: int, as_json: bool
) -> None:
    """Print where in your recordings WORDS are said: transcription, name, and each place with its time.

    All words count; "exactly these" in quotation marks of their own, `or` between two, and -- before -without.
    """

    async def show(client: Client) -> None:
        left = count
        async for each in client.search(" ".join(words)):
            click.echo(msgspec.json.encode(each).decode() if as_json else _told(each))
            left -= 1
            if not left:
                return
        if left == count:
            say("nothing found")

    ask(url, email, show)


def _told(found: FoundBody) -> str:
    name = printable(found.filename) if found.filename else "(recording deleted)"
    return "\n".join([f"{found.transcription_id}  {name}", *map(_place, found.snippets)])


def _place(snippet: SnippetBody) -> str:
    """What was found is bold on a screen; click takes that away where there is none."""
    minutes, seconds = divmod(snippet.start_ms // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    text = "".join(
        click.style(printable(part.text), bold=True) if part.match else printable(part.text)
        for part in snippet.parts
    )
    return f"  {hours}:{minutes:02}:{seconds:02}  {text}"
