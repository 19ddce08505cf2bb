"""A child whose start is cancelled leaves no descriptor, process or file behind, at whichever of its steps that is."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
import uvloop

from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from infrastructure.media.fork_server import PROCESS, ForkServer
from infrastructure.media.forked_streams import fork_process
from infrastructure.media.probe import ProbeLimits, probe
from infrastructure.media.warm import PROBE
from tests.infrastructure.media.cancelling import WHENS, CancelledAt, When
from tests.infrastructure.media.recordings import WAV, write_recording
from tests.stack.waiting import eventually

SCRIPT: Final = "tests.infrastructure.media.script_child"
STEPS_MAX: Final = 200
RUNNERS: Final[Mapping[str, Callable[[Coroutine[Any, Any, None]], None]]] = {
    "asyncio": asyncio.run,
    "uvloop": uvloop.run,
}
SAMPLES: Final = 20
Start = Callable[[], Coroutine[Any, Any, None]]
Holding = tuple[int, list[int], list[str]]


class Household:
    """What this process and those below it hold: descriptors, and files in the folder for temporary ones.

    Strangers, as the broker of the tests, open and close what they like; fork servers of before are none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._strangers = {each for each in psutil.Process().children() if not _is_fork_server(each)}

    async def settled(self) -> Holding:
        """What it holds once that has not changed for a while: a server that starts opens files and closes them."""
        seen: list[Holding] = []

        def is_settled() -> bool:
            seen.append(self.count())
            return len(seen) > SAMPLES and all(each == seen[-1] for each in seen[-SAMPLES:])

        await eventually(is_settled, "nothing is opened or closed any more")
        return seen[-1]

    def count(self) -> Holding:
        own = psutil.Process()
        below = [fds for each in self._below(own) if (fds := _descriptors_of(each))]
        return own.num_fds(), sorted(below), sorted(path.name for path in self._folder.iterdir())

    def _below(self, own: psutil.Process) -> Iterator[psutil.Process]:
        for child in set(own.children()) - self._strangers:
            yield child
            with suppress(psutil.NoSuchProcess):
                yield from child.children(recursive=True)


def _is_fork_server(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return PROCESS in process.cmdline()
    return False


def _descriptors_of(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.num_fds()
    return 0  # It has ended.


@asynccontextmanager
async def children(_: Path) -> AsyncIterator[Start]:
    """With all their streams; heard to the end."""
    with closing(ForkServer(SCRIPT)) as server:

        async def start() -> None:
            child = await fork_process(server, SCRIPT, "print('here')", stdin=True, stderr=True)
            try:
                assert child.stdout is not None
                assert await child.stdout.read() == b"here\n"
                await child.wait()
            finally:
                child.close()

        yield start


@asynccontextmanager
async def children_of_dead_servers(_: Path) -> AsyncIterator[Start]:
    """Each is asked of a server that has just died, so that another one has to be started for it."""
    with closing(ForkServer(SCRIPT)) as server:

        async def start() -> None:
            server.start()
            assert server.pid is not None
            psutil.Process(server.pid).kill()
            try:
                child = await fork_process(server, SCRIPT, "pass")
                try:
                    await child.wait()
                finally:
                    child.close()
            finally:
                server.retire()  # One that still lives, or so it seems, or none:
                server.start()  # however far this came, there is one afterwards.

        yield start


@asynccontextmanager
async def probes(folder: Path) -> AsyncIterator[Start]:
    recording = write_recording(folder / "media", WAV, seconds=2.0)
    with closing(ForkServer(PROBE)) as server:

        async def start() -> None:
            await probe(recording, ProbeLimits(seconds_max=60), server)

        yield start


@asynccontextmanager
async def engines(_: Path) -> AsyncIterator[Start]:
    engine = EngineProcess(EngineChoice(kind="scripted", speed=1000.0))

    async def start() -> None:
        await engine.make_ready()
        await engine.stop()

    yield start


async def cancelled_at(start: Start, step: int, when: When) -> bool:
    """False when the start has no such step, and succeeded."""
    attempt = CancelledAt(start(), step, when)

    async def carry_out() -> None:
        await attempt

    try:
        await asyncio.create_task(carry_out())
    except asyncio.CancelledError:
        assert attempt.was_cancelled
        return True
    assert not attempt.was_cancelled, "a start that was cancelled went on as if nothing had happened"
    return False


async def cancel_everywhere(
    starts: Callable[[Path], AbstractAsyncContextManager[Start]], when: When, folder: Path
) -> None:
    async with starts(folder) as start:
        household = Household(folder)
        assert not await cancelled_at(start, STEPS_MAX, when)  # Whatever is made once has been made.
        before = await household.settled()
        for step in range(STEPS_MAX):
            cancelled = await cancelled_at(start, step, when)
            await eventually(lambda: household.count() == before, f"{before} after a cancel at step {step}")
            if not cancelled:
                assert step > 1
                return
        raise AssertionError(f"more than {STEPS_MAX} steps")


@pytest.mark.parametrize("run", RUNNERS.values(), ids=RUNNERS)
@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize(
    "starts", [children, children_of_dead_servers, probes, engines], ids=lambda starts: starts.__name__
)
def test_a_start_that_is_cancelled_leaves_nothing_behind(
    starts: Callable[[Path], AbstractAsyncContextManager[Start]],
    when: When,
    run: Callable[[Coroutine[Any, Any, None]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # passed on to children
    run(cancel_everywhere(starts, when, tmp_path))
