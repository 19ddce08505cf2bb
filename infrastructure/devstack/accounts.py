"""The account PostgreSQL runs under when we are root, which it refuses to be."""

import os
import pwd
from pathlib import Path
from typing import Final

from msgspec import Struct

_NAMES: Final = ("nobody", "daemon")


class Account(Struct, frozen=True):
    uid: int
    gid: int


class Unreachable(Exception):
    """The unprivileged account may not walk down to a folder it needs."""

    def __init__(self, path: Path, closed: Path) -> None:
        super().__init__(
            f"PostgreSQL refuses to run as root, and no other account may enter {closed}, where {path} lies: "
            f"run as an ordinary user, or `chmod o+x {closed}`, or choose a folder elsewhere"
        )


def unprivileged_account() -> Account | None:
    """Whom to run servers as; None when we are an ordinary user already. Raises LookupError without any account."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in _NAMES:
        if name in known:
            return Account(known[name].pw_uid, known[name].pw_gid)
    raise LookupError(
        f"PostgreSQL refuses to run as root and there is no account called {' or '.join(_NAMES)}"
    )


def require_reachable(path: Path, account: Account | None) -> None:
    """Raises Unreachable, naming the closed folder, when `account` cannot walk down to `path`."""
    if account is not None:
        for folder in reversed(path.resolve().parents):
            if not _may_enter(folder, account):
                raise Unreachable(path, folder)


def _may_enter(folder: Path, account: Account) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def give(path: Path, account: Account | None) -> None:
    """Makes `account` the owner of `path` itself."""
    if account is not None:
        os.chown(path, account.uid, account.gid)
