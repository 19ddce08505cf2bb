"""`stenolog model`: which models there are, fetching one, and choosing the one that is used."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import Final

import click
import msgspec

from cli.events import json_option
from cli.progress import OnPercent, percent_bar
from cli.running import complaining, say
from embedded.hub.fetching import get as fetch_model
from embedded.hub.problems import ModelNotFetched
from embedded.hub.shelf import Shelved, choose, in_use, shelved, state_of
from inference_worker.catalogue import KNOWN, full_name, published

_QUIET_SECONDS: Final = 2.0
_INTERRUPTED_EXIT_CODE: Final = 130


@click.group()
def model() -> None:
    """List, fetch and choose speech models.

    NAME is one of `stenolog model list`, or owner/repo@commit for a CTranslate2 Whisper model on the hub, with the
    commit's 40 digits. Models are kept in the cache folder, STENOLOG_CACHE.
    """


@model.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """Print the models there are: name, size, languages, whether it is here, and which one is in use."""
    with complaining():
        found = shelved()
        if as_json:
            for each in found:
                click.echo(msgspec.json.encode(each).decode())
            return
        for each in found:
            click.echo(_line(each))
        if not any(each.in_use for each in found):
            click.echo(f"in use: {in_use() or 'none; choose one with `stenolog model use NAME`'}")


def _line(each: Shelved) -> str:
    size = "" if each.megabytes is None else f"{each.megabytes:,} MB"
    languages = {True: "English only", False: "many languages", None: ""}[each.english_only]
    used = "in use" if each.in_use else ""
    return f"{each.name:<19}{size:>9}  {languages:<15} {each.state or '-':<9} {used}".rstrip()


@model.command()
@click.argument("name")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(0, 86_400),
    default=600,
    show_default=True,
    help="Seconds to wait for another process that fetches the same model.",
)
def get(name: str, wait_seconds: int) -> None:
    """Fetch the model NAME from the hub, check it, and keep it.

    A fetch that is broken off goes on where it ended when it is started again. HF_ENDPOINT names another hub, HF_TOKEN
    is for models that not everybody may have.
    """
    with complaining():
        name = full_name(name)
        known = published(name)
        if known is None:
            raise ModelNotFetched(
                f"no model is called {name}: name one of {', '.join(KNOWN)}, or owner/repo@commit with 40 digits"
            )
        if state_of(name) == "packaged":
            say(f"{name} is packaged: there is nothing to fetch")
            return
        try:
            with DelayedProgress(name) as progress:
                folder = fetch_model(name, known, wait_seconds, progress.show, say)
        except KeyboardInterrupt:
            say(f"stopped; the next `stenolog model get {name}` goes on from here")
            sys.exit(_INTERRUPTED_EXIT_CODE)
        click.echo(folder)
        say(f"{name} is here and checked; `stenolog model use {name}` makes it the one that is used")


class DelayedProgress(contextlib.ExitStack):
    """Shows a bar, but not of what takes no longer than a moment."""

    def __init__(self, name: str, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._name = name
        self._now = now
        self._begun = now()
        self._bar: OnPercent | None = None

    def show(self, there: int, of: int, file: str) -> None:
        if self._bar is None:
            if self._now() - self._begun < _QUIET_SECONDS:
                return
            self._bar = self.enter_context(percent_bar(f"{self._name}, {of / 1e6:,.0f} MB"))
        self._bar(100 * there / of, file)


@model.command()
@click.argument("name")
def use(name: str) -> None:
    """Make the model NAME the one that `stenolog up`, and a worker without STENOLOG_MODEL, takes."""
    with complaining():
        name = full_name(name)
        choose(name)
        say(f"{name} is used from the next start on: stop a running `stenolog up` and start it again")
        if given := os.environ.get("STENOLOG_MODEL"):
            say(f"but STENOLOG_MODEL is {given}, and wins: unset it")
        if next(each.english_only for each in shelved() if each.name == name):
            say(f"{name} knows English only")
