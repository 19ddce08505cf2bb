"""The account PostgreSQL runs under when we are root, which it refuses to be."""

import os
import pwd
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from infrastructure.mendable import Mendable

_NAMES: Final = ("nobody", "daemon")


class Account(Struct, frozen=True):
    uid: int
    gid: int
    passes_closed_folders: bool = False
    """Keeps root's right to walk through folders that are closed to others."""


class Unreachable(Mendable):
    """The unprivileged account may not walk down to a folder it needs."""

    def __init__(self, path: Path, closed: Path) -> None:
        super().__init__(
            f"PostgreSQL refuses to run as root, and no other account may enter {closed}, where {path} lies: "
            f"run as an ordinary user, or `chmod o+x {closed}`, or choose a folder elsewhere"
        )


class NoAccount(Mendable):
    """We are root, and there is nobody else."""

    def __init__(self) -> None:
        super().__init__(
            f"PostgreSQL refuses to run as root and there is no account called {' or '.join(_NAMES)}"
        )


def server_account(paths: Iterable[Path]) -> Account | None:
    """Whom to run a server as that needs these paths; None when we are an ordinary user already.

    Raises Unreachable when the account cannot be let through to them, and NoAccount when there is none.
    """
    if os.geteuid() != 0:
        return None
    account = _unprivileged_account()
    for path in paths:
        if closed := _closed_folder(path, account):
            if sys.platform != "linux":
                raise Unreachable(path, closed)
            return Account(account.uid, account.gid, passes_closed_folders=True)
    return account


def give(path: Path, account: Account | None) -> None:
    """Makes `account` the owner of `path` itself."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _unprivileged_account() -> Account:
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in _NAMES:
        if name in known:
            return Account(known[name].pw_uid, known[name].pw_gid)
    raise NoAccount


def _closed_folder(path: Path, account: Account) -> Path | None:
    """The first folder on the way to `path` that `account` may not enter."""
    folders = reversed(path.resolve().parents)
    return next((folder for folder in folders if not _may_enter(folder, account)), None)


def _may_enter(folder: Path, account: Account) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)
