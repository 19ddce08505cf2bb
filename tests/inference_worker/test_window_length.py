"""Windows are as long as the engine wants them, unless a setting says otherwise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.instructions import Instructions
from domain.ports import Recognised, Window
from inference_worker.child import transcribe
from inference_worker.child_messages import ChildMessage, Task, WindowDone
from inference_worker.engines.scripted import ScriptedEngine
from tests.media import write_tone


class Patient:
    """The scripted engine, if it wanted windows of twenty seconds."""

    def __init__(self) -> None:
        self._scripted = ScriptedEngine(speed=10_000.0)
        self.name = self._scripted.name
        self.abilities = self._scripted.abilities
        self.window_seconds = 20.0

    def transcribe(
        self, window: Window, instructions: Instructions, heard: Callable[[int], None]
    ) -> Recognised:
        return self._scripted.transcribe(window, instructions, heard)


def longest_window_seconds(media: Path, window_seconds: float | None) -> float:
    said: list[ChildMessage] = []
    task = Task(
        media=str(media),
        duration_seconds=70.0,
        instructions=Instructions(),
        window_seconds=window_seconds,
    )
    transcribe(task, Patient(), said.append, lambda: None)
    return max(each.end_ms - each.start_ms for each in said if isinstance(each, WindowDone)) / 1000


@pytest.mark.parametrize(("asked", "longest"), [(None, 20.0), (10.0, 10.0), (40.0, 40.0)])
async def test_windows_are_as_long_as_was_asked_for_or_as_the_engine_wants_them(
    asked: float | None, longest: float, tmp_path: Path
) -> None:
    media = write_tone(tmp_path / "tone", seconds=70.0)
    assert 0.7 * longest <= longest_window_seconds(media, asked) <= 1.07 * longest
