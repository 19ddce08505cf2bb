"""Apache Kafka that wants TLS, and a login by SCRAM, of whoever is not itself."""

import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from embedded.brokers import jar_folder, provide_kafka
from embedded.kafka import ApacheKafka
from embedded.ports import LOOPBACK, free_port
from embedded.servers import broker_answers
from infrastructure.settings import Settings
from tests.stack.certificates import Authority, Certified

USERNAME, PASSWORD = "stenolog", "open sesame"


class SecuredKafka(ApacheKafka):
    """Its own listener stays in the clear, for the broker itself and to see whether it is up."""

    def __init__(self, folder: Path, shown: Certified, trusted: Authority, protocol: str) -> None:
        super().__init__(folder, jar_folder(), folder.parent / "secured.log")
        self._shown = shown
        self._trusted = trusted
        self._protocol = protocol
        self._own_port = free_port()

    async def answers(self) -> bool:
        return await broker_answers(f"{LOOPBACK}:{self._own_port}")

    def _settings(self) -> Mapping[str, str]:
        settings = super()._settings()
        own = f"OWN://{LOOPBACK}:{self._own_port}"
        clients = f"CLIENTS://{self.bootstrap}"
        return {
            **settings,
            "listeners": f"{own},{clients},CONTROLLER://{LOOPBACK}:{self._controller_port}",
            "advertised.listeners": f"{own},{clients}",
            "listener.security.protocol.map": f"OWN:PLAINTEXT,CLIENTS:{self._protocol},CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "OWN",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._shown.both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._trusted.ca),
            # The name is the listener's alone: the login is asked for besides, or it is the only one.
            "listener.name.clients.ssl.client.auth": "required" if self._protocol == "SSL" else "none",
        }

    def _java(self, main_class: str, *arguments: str) -> Any:
        if main_class == "kafka.tools.StorageTool":
            user = f"SCRAM-SHA-512=[name={USERNAME},password={PASSWORD}]"
            arguments = (*arguments, "--add-scram", user)
        return super()._java(main_class, *arguments)


@asynccontextmanager
async def secured_kafka(
    folder: Path, shown: Certified, trusted: Authority, protocol: str = "SASL_SSL"
) -> AsyncIterator[SecuredKafka]:
    provide_kafka(threading.Event())
    server = SecuredKafka(folder, shown, trusted, protocol)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def with_login(server: SecuredKafka, ca: Path, **others: Any) -> Settings:
    """The settings of a client that is welcome there."""
    return Settings(
        **{
            "kafka_bootstrap": server.bootstrap,
            "kafka_security": "sasl_ssl",
            "kafka_ca": str(ca),
            "kafka_username": USERNAME,
            "kafka_password": PASSWORD,
            **others,
        }
    )
