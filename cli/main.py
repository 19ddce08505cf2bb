"""The console command `stenolog` and its list of commands."""

import tomllib

import click

from cli.demo import demo
from cli.events import events
from cli.model import model
from cli.processes import migrate, process_commands, rebuild
from cli.projections import projections
from cli.transcribe import transcribe
from cli.up import up
from infrastructure.processes import ROOT

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def version() -> str:
    """From the checkout, which is there even where nothing is installed, as in the image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


@click.group(context_settings=_CONTEXT)
@click.version_option(version(), message="%(prog)s %(version)s")
def main() -> None:
    """Recordings to text: an event-sourced transcription backend.

    `stenolog up` runs everything on this machine; `stenolog transcribe` sends a recording to a running system.
    """


for command in (up, *process_commands, migrate, rebuild, events, projections, transcribe, model, demo):
    main.add_command(command)
