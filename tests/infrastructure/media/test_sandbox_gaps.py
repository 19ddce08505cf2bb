"""What of the sandbox is not in force is found out by trying, and said."""

import sys
from contextlib import closing

import pytest

from infrastructure.media.fork_server import ForkServer
from infrastructure.media.sandbox_gaps import sandbox_gaps
from infrastructure.media.warm import SANDBOX

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forbids a system call of Linux")

WITHOUT_LANDLOCK = """
import ctypes, os, struct, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
LOAD_NUMBER, IF_EQUAL, ANSWER = 0x20, 0x15, 0x06
REFUSE, ALLOW = 0x00050000 | 38, 0x7FFF0000
steps = [(LOAD_NUMBER, 0, 0, 0), (IF_EQUAL, 0, 1, 444), (ANSWER, 0, 0, REFUSE), (ANSWER, 0, 0, ALLOW)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
filter_ = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
assert prctl(38, 1, 0, 0, 0) == 0
assert prctl(22, 2, filter_, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs a command on a kernel that seems to have no landlock_create_ruleset (a seccomp filter; see seccomp(2))."""


async def test_a_kernel_without_landlock_leaves_a_gap_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = await sandbox_gaps()
    with closing(ForkServer(SANDBOX, through=[sys.executable, "-c", WITHOUT_LANDLOCK])) as server:
        gaps = await sandbox_gaps(server)
    assert [gap for gap in gaps if gap.startswith("other files can be read: ")]
    assert set(gaps) >= set(whole)
    assert f"the sandbox around media: {gaps[0]}" in caplog.text


async def test_a_sandbox_that_cannot_be_tried_is_a_gap() -> None:
    for broken in ("/bin/false", "/nowhere"):
        with closing(ForkServer(SANDBOX, through=[broken])) as server:
            gaps = await sandbox_gaps(server)
        assert gaps in (["could not be tried (ForkFailed)"], ["could not be tried (FileNotFoundError)"])
