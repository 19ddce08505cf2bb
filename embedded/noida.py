"""noida-db, a small broker from a wheel that speaks Kafka's protocol: what there is when Kafka's jars cannot be had."""

import os
from pathlib import Path

from embedded.ports import LOOPBACK, free_port
from embedded.processes import Command
from embedded.servers import Server, broker_answers, folder_of
from infrastructure.private_files import provide_private


def noida() -> Path:
    return folder_of("noida_db") / "noida-db"


class Noida(Server):
    """Keeps everything in memory and writes all of it to `folder` about every second: a kill loses that second."""

    name = "noida-db"

    def __init__(self, folder: Path, log: Path) -> None:
        super().__init__()
        self._folder = folder.resolve()
        self._log = log
        self._port = free_port()

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    async def prepare(self) -> None:
        provide_private(self._folder)
        if not os.access(noida(), os.X_OK):
            noida().chmod(0o755)

    def command(self) -> Command:
        flags = ["--only", "kafka", "--kafka-port", str(self._port), "--data-dir", str(self._folder)]
        return Command(
            arguments=[str(noida()), "start", *flags], environment={"LC_ALL": "C"}, log=self._log
        )

    async def answers(self) -> bool:
        return await broker_answers(self.bootstrap)
