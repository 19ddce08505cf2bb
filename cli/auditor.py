"""All commands of `stenolog events`: importing their modules puts them in their group."""

from cli import evidence, export, replay, snapshots, trace
from cli.events import events

__all__ = ["events", "evidence", "export", "replay", "snapshots", "trace"]
