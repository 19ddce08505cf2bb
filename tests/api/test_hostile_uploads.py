"""A hostile file costs its own upload alone, with real probes."""

import asyncio
from contextlib import closing
from pathlib import Path

import psutil

from api.probing import ProbeQueue
from infrastructure.media.fork_server import ForkServer
from infrastructure.media.probe import MediaFacts, ProbeLimits, probe
from infrastructure.media.warm import MEDIA_CHILDREN, PROBE
from tests.builders import ANNA, BERT
from tests.media import write_tone


async def test_fifty_files_that_take_the_whole_deadline_hold_up_nobody_but_their_sender(
    tmp_path: Path,
) -> None:
    tone = write_tone(tmp_path / "tone", seconds=2.0)
    with closing(ForkServer(PROBE)) as hanging:
        hanging.start()
        psutil.Process(hanging.pid).suspend()

        async def probe_it(path: Path) -> MediaFacts:
            hostile = path.name == "hostile"
            return await probe(tone, ProbeLimits(seconds_max=60), hanging if hostile else MEDIA_CHILDREN)

        queue = ProbeQueue(probe_it)
        annas = [asyncio.create_task(queue(Path("hostile"), ANNA)) for _ in range(50)]
        await asyncio.sleep(0)
        for _ in range(3):
            assert (await queue(Path("tone"), BERT)).duration_seconds == 2.0
        assert not any(anna.done() for anna in annas)
        for anna in annas:
            anna.cancel()
        await asyncio.wait(annas)
        assert (await queue(Path("tone"), ANNA)).duration_seconds == 2.0
