"""The console command `stenolog` and its list of commands."""

import signal
import tomllib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from infrastructure.processes import ROOT

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

SYSTEM: Final[Mapping[str, tuple[str, str]]] = {
    "up": ("cli.up", "Run the whole system on this machine until Ctrl-C."),
    "demo": (
        "cli.demo",
        "Start everything, transcribe two samples, show what came of it, stop everything.",
    ),
    "model": ("cli.model", "List, fetch and choose speech models."),
    "events": ("cli.auditor", "Read the event log, and verify it."),
    "sink": ("cli.sink", "Compare what an analytics consumer wrote down with the event log."),
    "projections": ("cli.projections", "Print where each projection stands, and which event stops it."),
    "rebuild": (
        "cli.processes",
        "Rebuild a read model from the event log while the old one goes on serving.",
    ),
    "migrate": ("cli.migrate", "Bring the database and the Kafka topics to this version."),
    "api": ("cli.processes", "Serve the HTTP API."),
    "relay": ("cli.processes", "Send the event log to Kafka, exactly once."),
    "project": ("cli.processes", "Fold events from Kafka into the read models."),
    "dispatch": ("cli.processes", "Assign transcriptions to workers and take their reports."),
    "work": ("cli.processes", "Transcribe what the dispatcher assigns."),
    "seal": ("cli.processes", "Seal the event log, so that a later change of it shows."),
}
CLIENT: Final[Mapping[str, tuple[str, str]]] = {
    "login": ("cli.account", "Log in once, so that no other command asks for it."),
    "logout": ("cli.account", "Forget the login."),
    "transcribe": (
        "cli.transcribe",
        "Send recordings to a running system and write down what is said in them.",
    ),
    "list": ("cli.recordings", "Print your recordings, newest first."),
    "status": ("cli.recordings", "Print how far a transcription is."),
    "cancel": ("cli.recordings", "Stop a transcription and release its minutes."),
    "export": ("cli.recordings", "Print the text of a transcription, or write it to a file."),
    "search": ("cli.searching", "Print where in your recordings something is said."),
    "keys": ("cli.keys", "Make, list and revoke API keys for programs."),
    "quota": ("cli.account", "Print how many minutes are left."),
    "completion": ("cli.completion", "Print what a shell needs to complete commands."),
}
COMMANDS: Final = {**SYSTEM, **CLIENT}
"""The module of each, which has it under its own name, and what the list says of it."""
_ATTRIBUTES: Final = {"list": "list_recordings"}
"""Where the command's own name is taken in Python."""


class Commands(click.Group):
    """Imports the module of the command that is run, and none for the list: all of them take half a second."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(COMMANDS[cmd_name][0]), _ATTRIBUTES.get(cmd_name, cmd_name))
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """A shell asks at each press of a key: that imports nothing, either."""
        commands = [
            CompletionItem(name, help=summary)
            for name, (_, summary) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Ctrl-C ends it as a shell expects, also while a command is imported."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in (("As a client of a running system", CLIENT), ("The system", SYSTEM)):
            with formatter.section(title):
                formatter.write_dl([(name, summary) for name, (_, summary) in commands.items()])


def version() -> str:
    """From the checkout, which is there even where nothing is installed, as in the image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Read only when it is asked for."""
    if wanted:
        click.echo(f"stenolog {version()}")
        ctx.exit()


@click.group(cls=Commands, context_settings=_CONTEXT)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Recordings to text: an event-sourced transcription backend.

    `stenolog up` runs everything on this machine; `stenolog transcribe` sends a recording to a running system.
    """
