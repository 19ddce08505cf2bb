"""The folder of one `stenolog up`: what lies where, who may use it, and the secret made for it."""

import fcntl
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from infrastructure.disk import require_writable
from infrastructure.mendable import Mendable
from infrastructure.private_files import open_private, provide_private
from infrastructure.settings import InvalidSetting


class FolderInUse(Mendable):
    """Another `stenolog up` runs on this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"another `stenolog up` runs on {folder}: stop it, or choose another folder with --data"
        )


class NotRunning(Mendable):
    """No `stenolog up` runs on this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no `stenolog up` runs on {folder}: start one, or say where the database is")


class Addresses(Struct, frozen=True, kw_only=True):
    """Where the parts of a running system are; written for other commands, which find it by the folder."""

    api_url: str
    database_url: str
    kafka_bootstrap: str
    object_store: str


class StackFolder:
    """Made when it is first used; what lies in it is closed to other users of the machine."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def kafka(self) -> Path:
        return self.path / "kafka"

    @property
    def objects(self) -> Path:
        return self.path / "objects"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def processes(self) -> Path:
        """What runs, for the successor of a supervisor that was killed."""
        return self.path / "processes.json"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for this process; the system lets go of it however the process ends.

        Raises FolderInUse, or InvalidSetting when it cannot be written.
        """
        try:
            self._provide()
        except OSError as problem:
            raise InvalidSetting(
                f"--data: {self.path} cannot be written: {problem.strerror}: choose another folder"
            ) from problem
        with open_private(self.path / "lock", "ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderInUse(self.path) from None
            self._addresses.unlink(missing_ok=True)  # of a predecessor that was killed
            yield

    def _provide(self) -> None:
        if not self.path.exists():
            self.path.mkdir(parents=True)
            self.path.chmod(0o711)  # PostgreSQL's account walks through
        require_writable(self.path)
        for private in (self.kafka, self.objects, self.logs):
            provide_private(private).chmod(0o700)

    def jwt_secret(self) -> str:
        """Made at first use and kept, so that tokens outlive a restart."""
        return self._kept("jwt-secret", secrets.token_urlsafe(48))

    def seal_key(self) -> str:
        """Made at first use and kept: whoever verifies the log knows it by its public half."""
        return self._kept("seal-key", f"first:{b64encode(secrets.token_bytes(32)).decode()}")

    def master_keys(self) -> str:
        """Made at first use and kept: without it nothing personal in the log can be read."""
        return self._kept("master-keys", f"first={b64encode(secrets.token_bytes(32)).decode()}")

    def evidence_token(self) -> str:
        return self._kept("evidence-token", secrets.token_urlsafe(32))

    def _kept(self, name: str, new: str) -> str:
        file = self.path / name
        if not file.exists():
            write_private(file, new.encode())
        return file.read_text(encoding="ascii")

    @contextmanager
    def announced(self, addresses: Addresses) -> Iterator[None]:
        write_private(self._addresses, msgspec.json.encode(addresses))
        try:
            yield
        finally:
            self._addresses.unlink(missing_ok=True)

    def addresses(self) -> Addresses:
        """Of the system that runs on this folder. Raises NotRunning."""
        try:
            return msgspec.json.decode(self._addresses.read_bytes(), type=Addresses)
        except FileNotFoundError:
            raise NotRunning(self.path) from None

    @property
    def _addresses(self) -> Path:
        return self.path / "addresses.json"


def write_private(file: Path, content: bytes) -> None:
    """Whole or not at all, and readable for its owner alone."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with open_private(unfinished, "xb") as output:
        output.write(content)
    unfinished.replace(file)
