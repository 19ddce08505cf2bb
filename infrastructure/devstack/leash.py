"""Runs as a script before a child's own program: has it end with its parent, drops root, then becomes the program.

It stands alone (no import of ours) because it starts in a bare interpreter, in 10 ms, for every child.
Arguments: the parent's pid, the signal for its death, uid and gid (or -1), then the command.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def drop_root(uid: int, gid: int) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def end_with(parent_pid: int, death_signal: int) -> None:
    """Must follow drop_root: changing the user takes the arrangement back."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent_pid:  # it died before we asked to be told
        sys.exit(1)


def main(arguments: list[str]) -> None:
    parent_pid, death_signal, uid, gid = map(int, arguments[:4])
    command = arguments[4:]
    drop_root(uid, gid)
    end_with(parent_pid, death_signal)
    try:
        os.execv(command[0], command)  # noqa: S606  # the one purpose of this file
    except OSError as problem:
        sys.exit(f"cannot run {command[0]}: {problem.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
