"""What a process does to itself before it looks at bytes nobody vouches for.

The limits hold everywhere; Landlock (files and TCP) and the empty network namespace hold where the kernel
grants them, which for the namespace needs the right to make one. They back each other and the whitelists up.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000

# The same on every architecture (Linux 5.13 and later).
_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_ADD_RULE: Final = 445
_LANDLOCK_RESTRICT_SELF: Final = 446
_LANDLOCK_VERSION: Final = 1
_LANDLOCK_PATH_BENEATH: Final = 1
_LANDLOCK_NET_PORT: Final = 2
_READ_FILE: Final = 1 << 2
_FILE_RIGHTS_BY_VERSION: Final = (0, 13, 14, 15, 15, 16)
_TCP_VERSION: Final = 4
_ALL_TCP: Final = 0b11
_CONNECT_TCP: Final = 0b10
_DNS_PORT: Final = 53
_SCOPES_VERSION: Final = 6
_ALL_SCOPES: Final = 0b11


class Limits(Struct, frozen=True, kw_only=True):
    """What one child process may use; more than that ends it. None leaves it open; files are never written."""

    memory_bytes: int | None = 1 << 30
    cpu_seconds: int | None = 60
    open_files: int = 64


class Granted(Struct, frozen=True, kw_only=True):
    """What is in force: the limits, and what the kernel took away for good."""

    limits: bool
    other_files: bool
    network: bool


def end_with_parent(parent_pid: int) -> None:
    """Arranges for SIGKILL when the parent dies; exits at once if it has died already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit(1)


def confine(limits: Limits, readable: Path) -> Granted:
    """From here on the process stays within `limits`, and if granted reads no other file and reaches no network.

    Import everything before: what is not loaded by now cannot be. Call it while there is one thread.
    """
    limit(limits)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    no_network = leave_the_network()
    landlock = _forbid_other_files(readable)
    return Granted(
        limits=_are_set(limits), other_files=landlock >= 1, network=no_network or landlock >= _TCP_VERSION
    )


@cache
def leave_the_network() -> bool:
    """Moves into a network namespace with nothing in it; False where the kernel does not allow that.

    Children inherit both the namespace and, when they are forked, the knowledge of it: it is made once for them all.
    """
    if sys.platform != "linux":
        return False
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    return any(unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def reach_only(port: int) -> bool:
    """From here on TCP goes to that port alone, wherever it is, and to name servers; False where there is no Landlock 4.

    Call it while there is one thread.
    """
    if sys.platform != "linux":
        return False
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    if _landlock_version(syscall) < _TCP_VERSION:
        return False
    attributes = struct.pack("=2Q", 0, _ALL_TCP)
    ruleset = syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for allowed in (port, _DNS_PORT):
            rule = struct.pack("=2Q", _CONNECT_TCP, allowed)
            syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_NET_PORT, rule, 0)
        restricted: int = syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return restricted == 0


def limit(limits: Limits) -> None:
    """Sets the hard limits too, so that nothing can raise them again."""
    for kind, most in _most(limits).items():
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _are_set(limits: Limits) -> bool:
    return all(0 <= resource.getrlimit(kind)[1] <= most for kind, most in _most(limits).items())


def _most(limits: Limits) -> dict[int, int]:
    most = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    return {kind: allowed for kind, allowed in most.items() if allowed is not None}


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0)


def _forbid_other_files(readable: Path) -> int:
    """Landlock: of all files only `readable` may be opened, to read. Returns its version, 0 where there is none."""
    if sys.platform != "linux":
        return 0
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    version = _landlock_version(syscall)
    if version < 1:
        return 0
    attributes = _ruleset(version)
    ruleset = syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    file = os.open(readable, os.O_RDONLY)
    try:
        rule = struct.pack("=Qi", _READ_FILE, file)
        added = syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_PATH_BENEATH, rule, 0)
        restricted = syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(file)
        os.close(ruleset)
    return version if added == restricted == 0 else 0


def _landlock_version(syscall: Any) -> int:
    """Below 1 where there is none."""
    version: int = syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    return version


def _ruleset(version: int) -> bytes:
    """`struct landlock_ruleset_attr`, as long as this version of it is: all that it can forbid is forbidden."""
    rights = _FILE_RIGHTS_BY_VERSION[min(version, len(_FILE_RIGHTS_BY_VERSION) - 1)]
    fields = [(1 << rights) - 1]
    if version >= _TCP_VERSION:
        fields.append(_ALL_TCP)
    if version >= _SCOPES_VERSION:
        fields.append(_ALL_SCOPES)
    return struct.pack(f"={len(fields)}Q", *fields)
