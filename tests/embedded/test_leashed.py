"""What a test starts does not outlive the process that runs the test."""

import subprocess
import sys

import psutil

from tests.embedded.tiny import FOREVER
from tests.stack.waiting import eventually

TESTS = f"""
import subprocess, sys
from tests.stack.leashed import leashed
print(subprocess.Popen(leashed(sys.executable, "-c", {FOREVER!r})).pid, flush=True)
{FOREVER}
"""


async def test_what_a_killed_worker_of_the_tests_had_started_ends() -> None:
    worker = subprocess.Popen([sys.executable, "-c", TESTS], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    with worker.stdout as output:
        started = psutil.Process(int(output.readline()))
    await eventually(lambda: started.cmdline()[1:2] == ["-c"], "it has become its program")
    worker.kill()
    worker.wait()
    await eventually(
        lambda: not started.is_running() or started.status() == psutil.STATUS_ZOMBIE, "it has ended"
    )
