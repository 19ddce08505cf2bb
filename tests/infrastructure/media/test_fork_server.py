"""A fork server's children are as good as processes of their own, and nothing outlives its owner."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import psutil
import pytest
import uvloop

from infrastructure.media.children import child_environment
from infrastructure.media.fork_server import LOST, ForkServer
from infrastructure.media.forked import fork
from infrastructure.media.forked_streams import ForkedProcess, fork_process
from infrastructure.media.probe import ProbeLimits, probe
from infrastructure.media.warm import DECODE, MEDIA_CHILDREN, PROBE, SANDBOX
from tests.infrastructure.media.recordings import WAV, write_recording
from tests.stack.waiting import eventually

SCRIPT = "tests.infrastructure.media.script_child"
SLEEP = "print('there', flush=True); time.sleep(600)"


@pytest.fixture
def server() -> Iterator[ForkServer]:
    with closing(ForkServer(SCRIPT)) as server:
        yield server


@asynccontextmanager
async def running(server: ForkServer, script: str, *arguments: str) -> AsyncIterator[ForkedProcess]:
    child = await fork_process(server, SCRIPT, script, *arguments, stdin=True, stderr=True)
    try:
        async with asyncio.timeout(30):
            yield child
    finally:
        child.close()


async def said(child: ForkedProcess) -> str:
    assert child.stdout is not None
    return (await child.stdout.read()).decode().strip()


async def complained(child: ForkedProcess) -> str:
    assert child.stderr is not None
    return (await child.stderr.read()).decode()


async def test_a_server_that_hangs_is_said_to_and_the_next_child_gets_another_one(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    monkeypatch.setattr("infrastructure.media.forked_streams.START_SECONDS_MAX", 0.3)
    with pytest.raises(TimeoutError, match=r"no process came within 0\.3 s"):
        await fork_process(server, SCRIPT, SLEEP)
    monkeypatch.undo()
    async with running(server, "print('here')") as child:
        assert await said(child) == "here"


async def until_it_is_there(child: ForkedProcess) -> None:
    assert child.stdout is not None
    assert await child.stdout.readline() == b"there\n"


def is_over(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("print('done')", 0),
        ("sys.exit()", 0),
        ("sys.exit(3)", 3),
        ("raise ValueError('broken')", 1),
        ("os.kill(os.getpid(), 11)", -signal.SIGSEGV),
        ("os._exit(7)", 7),
    ],
)
async def test_how_a_child_ends_is_told(script: str, code: int, server: ForkServer) -> None:
    async with running(server, script) as child:
        assert await child.wait() == code
        assert ("ValueError: broken" in await complained(child)) == ("ValueError" in script)


async def test_a_child_is_spoken_with_over_its_standard_streams(server: ForkServer) -> None:
    script = "print(sys.stdin.readline() * 2, flush=True); print(sys.argv[1], file=sys.stderr)"
    async with running(server, script, "argument") as child:
        assert child.stdin is not None
        child.stdin.write(b"line\n")
        await child.stdin.drain()
        assert await said(child) == "line\nline"
        assert await complained(child) == "argument\n"


async def test_input_that_ends_is_noticed_by_the_child(server: ForkServer) -> None:
    async with running(server, "print(repr(sys.stdin.read()))") as child:
        assert child.stdin is not None
        child.stdin.close()
        assert await said(child) == "''"


async def test_a_child_holds_nothing_but_its_own_streams(server: ForkServer) -> None:
    """Another child's pipe held open would hide that child's end, and show what it is told."""
    async with running(server, SLEEP) as first, running(server, SLEEP) as second:
        await until_it_is_there(first)
        await until_it_is_there(second)
        held = [Path(f"/proc/{child.pid}/fd").iterdir() for child in (first, second)]
        assert [sorted(each.name for each in fds) for fds in held] == [["0", "1", "2"]] * 2
        first.kill()
        assert await said(first) == ""
        assert second.returncode is None


async def test_a_killed_child_is_gone_at_once_and_others_are_not(server: ForkServer) -> None:
    async with running(server, SLEEP) as first, running(server, SLEEP) as second:
        await until_it_is_there(first)
        first.kill()
        assert await first.wait() == -signal.SIGKILL
        assert not psutil.pid_exists(first.pid)
        await until_it_is_there(second)


async def test_a_child_nobody_holds_any_more_is_ended(server: ForkServer) -> None:
    async with running(server, SLEEP) as child:
        await until_it_is_there(child)
    await eventually(lambda: not psutil.pid_exists(child.pid), "the child has ended")


async def test_server_and_children_have_sessions_of_their_own_and_one_thread(server: ForkServer) -> None:
    """So the terminal's Ctrl-C reaches neither, and no lock of another thread is forked in its locked state."""
    async with running(server, SLEEP) as child:
        await until_it_is_there(child)
        for pid in (child.pid, server.pid or 0):
            assert os.getsid(pid) == pid
            assert psutil.Process(pid).num_threads() == 1


async def test_a_fork_server_knows_no_secret(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENOLOG_JWT_SECRET", "x" * 40)
    async with running(server, "print(dict(os.environ))") as child:
        assert "x" * 40 not in await said(child)
        assert server.pid is not None
        assert "x" * 40 not in str(psutil.Process(server.pid).environ())


async def test_children_of_a_server_that_dies_die_with_it_and_the_next_child_gets_a_new_one(
    server: ForkServer,
) -> None:
    async with running(server, SLEEP) as child:
        await until_it_is_there(child)
        assert server.pid is not None
        psutil.Process(server.pid).kill()
        assert await child.wait() == LOST
        await eventually(lambda: is_over(child.pid), "the child has died with its server")
    async with running(server, "print('here')") as child:
        assert await said(child) == "here"


async def test_a_probe_is_made_again_when_the_server_dies_under_it(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "media", WAV, seconds=2.0)
    with closing(ForkServer(PROBE)) as server:
        await probe(recording, ProbeLimits(seconds_max=60), server)
        assert server.pid is not None
        process = psutil.Process(server.pid)
        process.suspend()
        probing = asyncio.create_task(probe(recording, ProbeLimits(seconds_max=60), server))
        await asyncio.sleep(0)  # It has asked, and nobody answers.
        process.kill()
        assert (await probing).duration_seconds == pytest.approx(2.0, abs=0.1)
        assert server.pid != process.pid


async def test_after_a_crash_the_memory_of_children_is_laid_out_anew(server: ForkServer) -> None:
    """Children that are forked from one process have the same addresses, which nobody shall find out by trying."""
    async with running(server, SLEEP) as beside:
        await until_it_is_there(beside)
        pid = server.pid
        for script, changes in (("os.kill(os.getpid(), 9)", False), ("os.abort()", True)):
            async with running(server, script) as child:
                await child.wait()
            async with running(server, "print('here')") as child:
                assert await said(child) == "here"
            assert (server.pid != pid) == changes
        assert beside.returncode is None


async def test_a_hundred_children_leave_nothing_behind(server: ForkServer) -> None:
    async with running(server, "pass") as child:
        await child.wait()
    assert server.pid is not None
    processes = [psutil.Process(), psutil.Process(server.pid)]
    before = [process.num_fds() for process in processes]
    for _ in range(50):
        async with running(server, "pass") as child:
            await child.wait()
        blocking = fork(server, SCRIPT, "pass")
        blocking.end(30)
    await eventually(
        lambda: all(now.num_fds() <= then for now, then in zip(processes, before, strict=True)),
        "all descriptors are closed",
    )
    assert processes[1].children() == []


def test_a_child_that_ends_closes_no_descriptor_of_another_thread(server: ForkServer) -> None:
    """uvloop, on which every process of ours runs, closes a pipe twice; another thread's file may be in its place."""
    ended = threading.Event()

    async def fork_many() -> None:
        for _ in range(300):
            async with running(server, "pass") as child:
                await said(child)

    def hold_descriptors() -> None:
        while not ended.is_set():
            for held in [os.dup(0) for _ in range(2)]:
                os.close(held)

    with ThreadPoolExecutor() as threads:
        holding = [threads.submit(hold_descriptors) for _ in range(4)]
        try:
            uvloop.run(fork_many())
        finally:
            ended.set()
        for each in holding:
            each.result()


async def test_server_and_children_end_with_a_killed_owner() -> None:
    script = f"""
import os, time
from infrastructure.media.fork_server import ForkServer
from infrastructure.media.forked import fork
server = ForkServer()
child = fork(server, {SCRIPT!r}, "os.write(1, b'there'); time.sleep(600)")
os.read(child.output, 5)
print(server.pid, child.pid, flush=True)
time.sleep(600)
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=dict(child_environment())
    )
    with owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.kill()
    assert len(pids) == 2
    await eventually(lambda: all(map(is_over, pids)), "server and child have ended", 30.0)


async def test_a_forked_child_has_mapped_no_more_than_one_that_was_executed() -> None:
    """So that a limit of its memory leaves it as much as it would leave any other."""
    mapped = (
        "import os; print(int(open('/proc/self/statm').read().split()[0]) * os.sysconf('SC_PAGE_SIZE'))"
    )
    modules = f"import {PROBE}, {DECODE}, {SANDBOX}, {SCRIPT}"
    executed = subprocess.run(
        [sys.executable, "-c", f"{modules}; {mapped}"],
        env=dict(child_environment()),
        capture_output=True,
        check=True,
    )
    async with running(MEDIA_CHILDREN, mapped) as child:
        assert int(await said(child)) < int(executed.stdout) + (16 << 20)
