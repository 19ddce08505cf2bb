"""Runs as a script before a child's own program: has it end with its parent, drops root, then becomes the program.

It stands alone (no import of ours) because it starts in a bare interpreter, in 10 ms, for every child.
Arguments: the parent's pid, the signal for its death, its niceness, uid and gid (or -1), "pass" or "-", then the command.
With "pass" the account may walk through closed folders, /root for example, as root could (Linux).
"""

import ctypes
import os
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def become(uid: int, gid: int, *, passing: bool) -> None:
    """Nothing may be imported after it: the interpreter itself may lie in a closed folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    capability = _passing_capability() if passing else None
    if passing:
        # Keeps capabilities when the user changes, and has access(2), which PostgreSQL asks, heed them.
        _require(libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "set the secure bits")
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability is not None:
        _keep(libc, capability)


def _passing_capability() -> int:
    """The weaker one where we have it; containers often have the stronger one only."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    permitted = int(status.partition("CapPrm:")[2].split(None, 1)[0], 16)
    return _CAP_DAC_READ_SEARCH if permitted >> _CAP_DAC_READ_SEARCH & 1 else _CAP_DAC_OVERRIDE


def _keep(libc: ctypes.CDLL, capability: int) -> None:
    """Of all that root could do, this alone, also after exec."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    mask = 1 << capability
    effective, permitted, inheritable = mask, mask, mask
    sets = (ctypes.c_uint32 * 6)(
        effective, permitted, inheritable, 0, 0, 0
    )  # the zeros are the high halves
    _require(libc.capset(header, sets), "drop the other capabilities")
    _require(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "keep the capability")


def _require(result: int, what: str) -> None:
    if result != 0:
        sys.exit(
            f"cannot {what} that lets PostgreSQL, which refuses to run as root, through closed folders "
            f"({os.strerror(ctypes.get_errno())}): run as an ordinary user, or in folders open to others"
        )


def end_with(parent_pid: int, death_signal: int) -> None:
    """Must come after `become`: changing the user takes the arrangement back."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent_pid:  # it died before we asked to be told
        sys.exit(1)


def main(arguments: list[str]) -> None:
    parent_pid, death_signal, niceness, uid, gid = map(int, arguments[:5])
    passing, *command = arguments[5:]
    os.nice(niceness)
    if uid >= 0:
        become(uid, gid, passing=passing == "pass")
    end_with(parent_pid, death_signal)
    try:
        os.execv(command[0], command)  # noqa: S606  # the one purpose of this file
    except OSError as problem:
        sys.exit(f"cannot run {command[0]}: {problem.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
