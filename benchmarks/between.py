"""What a slot loses between two recordings: many short ones by one slot, beside the time that the engine alone takes."""

import time
from typing import Final

from benchmarks.jobs import installation, transcribe, upload
from benchmarks.measure import Measurement, Target, report
from benchmarks.stack import open_folder
from tests.end_to_end.person import Person
from tests.media import write_tone

RECORDINGS: Final = 25
NOTE_SECONDS: Final = 4.0
SPEED: Final = 8.0
ENGINE: Final = "engine"
CAPTION: Final = f"{RECORDINGS} recordings that the scripted engine takes {NOTE_SECONDS / SPEED:g} s for, all requested at once, one slot"


async def main() -> None:
    with open_folder() as folder:
        note = write_tone(folder / "note.wav", seconds=NOTE_SECONDS)
        async with (
            installation(folder / "scripted", engine="scripted", scripted_speed=SPEED) as running,
            Person.arrives(running.url) as person,
        ):
            await transcribe(running, [person], await upload([person], note, 1))
            files = await upload([person], note, RECORDINGS)
            began = time.perf_counter()
            await transcribe(running, [person], files)
            took_seconds = time.perf_counter() - began
    report("between", CAPTION, [_measurement(took_seconds / RECORDINGS)])


def _measurement(seconds: float) -> Measurement:
    """A tenth covers the way of the first one in and of the last one out."""
    return Measurement(
        situation="from one to the next",
        unit="s",
        ours=seconds,
        peers={ENGINE: NOTE_SECONDS / SPEED},
        targets=(Target(peer=ENGINE, ratio=1.1, at_most=True),),
    )
